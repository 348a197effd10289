// Every kernel of the project: what is compiled into one image.
#include <cstddef>
#include <cstdint>

namespace crossdock {

using u32 = uint32_t;
using u64 = uint64_t;

struct CopyArgs {
  u64 from;
  u64 to;
  u64 num_bytes;
};

extern "C" __global__ void copy_bytes(const __grid_constant__ CopyArgs args) {
  const u64 stride = static_cast<u64>(gridDim.x) * blockDim.x;
  for (u64 i = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; i < args.num_bytes; i += stride) {
    reinterpret_cast<char*>(args.to)[i] = reinterpret_cast<const char*>(args.from)[i];
  }
}

extern "C" __constant__ const u32 layout_CopyArgs[] = {
    sizeof(CopyArgs),
    offsetof(CopyArgs, from),
    offsetof(CopyArgs, to),
    offsetof(CopyArgs, num_bytes),
};

}  // namespace crossdock
