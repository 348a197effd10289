// Small steps of the protocol that are kernels of their own.
#include "../include/protocol.cuh"

namespace crossdock {

// Publishes that this rank's call is invalid. Nobody is waited for, except that the epoch before must
// be over: the next call of this rank awaits the entries of this one.
extern "C" __global__ void __launch_bounds__(256, 1) refuse_call(const __grid_constant__ RefuseArgs args) {
  __shared__ u32 proceed;
  const u64 epoch = current_epoch(args.geometry);
  if (warp_idx() == 0) {
    store_by_warp(&proceed, can_begin(args.geometry, epoch));
  }
  __syncthreads();
  if (proceed != 0) {
    publish_entries(args.geometry, args.entry, {args.reason, nullptr, nullptr, 0}, epoch);
  }
  __syncthreads();
  if (warp_idx() == 0) {
    end_grid(args.geometry, args.reporting, epoch, proceed != 0);
  }
}

// Waits until all ranks have read what lay in an output window.
extern "C" __global__ void __launch_bounds__(kWarpThreads, 1)
    await_pulled(const __grid_constant__ AwaitPulledArgs args) {
  const Geometry& geometry = args.geometry;
  const u64 published = local_state(geometry)->output_epochs[args.window];
  await_all(geometry, flag_wait(geometry, geometry.pulled, published, kPullPhase));
  end_grid(geometry, args.reporting, published, false);
}

// Waits until the streams of all ranks came here.
extern "C" __global__ void __launch_bounds__(kWarpThreads, 1)
    sync_ranks(const __grid_constant__ BarrierArgs args) {
  const Geometry& geometry = args.geometry;
  const u64 turn = ld_relaxed_gpu(&local_state(geometry)->barrier) + 1;
  publish_to_all(geometry, geometry.barriers, turn);
  await_all(geometry, flag_wait(geometry, geometry.barriers, turn, kBarrierPhase));
  if (lane_idx() == 0) {
    local_state(geometry)->barrier = turn;
  }
  end_grid(geometry, args.reporting, turn, false);
}

// Copies bytes at the speed of the blocks given: the yardstick for numSms.
extern "C" __global__ void __launch_bounds__(512, 1) copy_bytes(const __grid_constant__ CopyArgs args) {
  copy_bytes_by(args.to, args.from, args.num_bytes, grid_thread_idx(), grid_threads());
}

}  // namespace crossdock
