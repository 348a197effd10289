package io.crossdock.cli;

import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineResult;
import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.core.routing.CombineInputs;
import io.crossdock.core.routing.DispatchSpec;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceCombine;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// Compares a dispatch and a combine with the routing reference, byte by byte, before anything is
/// timed.
///
/// Every rank makes the inputs of all ranks and the whole expected picture. On the host at most
/// [#FIRST_TOKENS] tokens a rank are checked this way; on a GPU, whose kernels take other paths at
/// full size, as many as fit into [#SECONDS] and memory, judged by a first check.
///
/// Confined to one thread.
final class BenchCheck {
  static final int FIRST_TOKENS = 128;
  private static final double SECONDS = 60;

  /// Inputs, expected rows and expert rows of all ranks, made by each rank; all may share a heap.
  private static final int COPIES = 3;

  private final BenchTask task;
  private final EpBuffer buffer;
  private final int rank;
  private final int numRanks;
  private long checkedBytes;

  BenchCheck(BenchTask task, EpBuffer buffer) {
    this.task = task;
    this.buffer = buffer;
    this.rank = buffer.group().rank();
    this.numRanks = buffer.group().size();
  }

  /// {@return what was compared}
  BenchTask.Checked run() {
    int tokens = Math.min(FIRST_TOKENS, task.tokens());
    long start = System.nanoTime();
    check(tokens);
    double seconds = (System.nanoTime() - start) / 1e9;
    boolean onHost = buffer.memory().device().equals(Device.HOST);
    int most = onHost ? tokens : affordableTokens(seconds / tokens);
    if (most > tokens) {
      tokens = most;
      check(tokens);
    }
    return new BenchTask.Checked(tokens, checkedBytes);
  }

  /// The slowest rank decides for all.
  private int affordableTokens(double secondsPerToken) {
    long rowBytes = task.hidden() * 2L * Math.min(numRanks, task.topk());
    long bytesPerToken = COPIES * rowBytes * numRanks * numRanks;
    long fitting = Runtime.getRuntime().maxMemory() / 2 / bytesPerToken;
    long mine = Math.min(task.tokens(), Math.min(fitting, (long) (SECONDS / secondsPerToken)));
    return (int) -new StartLine(buffer.group()).agree(-mine);
  }

  private void check(int tokens) {
    Topology topology = new Topology(numRanks, buffer.group().localSize(), task.experts());
    try (Arena arena = Arena.ofShared()) {
      List<BenchInputs> inputs = new ArrayList<>();
      for (int peer = 0; peer < numRanks; peer++) {
        inputs.add(BenchInputs.make(task, peer, tokens, arena));
      }
      List<RankInput> references = inputs.stream().map(BenchInputs::reference).toList();
      List<ReferenceDispatch> expected =
          RoutingReference.dispatch(references, DispatchSpec.of(topology));
      BenchInputs mine = inputs.get(rank);
      DispatchInput input = new EngineTensors(buffer.memory()).input(mine.dispatchInput());
      Layout layout = buffer.layout(input.topkIdx().orElseThrow(), task.experts());
      // Ranks come here seconds apart, and none allocates beside a kernel that waits for it.
      buffer.group().barrier();
      try (DispatchResult got = buffer.dispatch(input, layout)) {
        checkDispatch(got, expected.get(rank));
        checkCombine(got, expected, tokens, topology);
      }
    }
  }

  private void checkDispatch(DispatchResult got, ReferenceDispatch expected) {
    if (got.numRecvTokens() != expected.numRecvTokens()) {
      throw new VerificationException(
          "wrong number of rows: rank="
              + rank
              + ", rows="
              + got.numRecvTokens()
              + ", expected="
              + expected.numRecvTokens());
    }
    same("recv_x", got.recvX(), expected.recvRows());
    got.recvScales().ifPresent(scales -> same("recv_scales", scales, expected.recvScales()));
    Tensor ids = got.recvTopkIdx().orElseThrow();
    same("recv_topk_idx", ids, MemorySegment.ofArray(expected.recvTopkIdx()));
    Tensor weights = got.recvTopkWeights().orElseThrow();
    same("recv_topk_weights", weights, MemorySegment.ofArray(expected.recvTopkWeights()));
    same(
        "tokens_per_expert",
        MemorySegment.ofArray(got.tokensPerLocalExpert()),
        MemorySegment.ofArray(expected.tokensPerLocalExpert()));
  }

  private void checkCombine(
      DispatchResult got, List<ReferenceDispatch> expected, int tokens, Topology topology) {
    List<MemorySegment> outputs = new ArrayList<>();
    List<float[]> weights = new ArrayList<>();
    for (int peer = 0; peer < numRanks; peer++) {
      outputs.add(expertRows(expected.get(peer).numRecvTokens(), peer));
      weights.add(expected.get(peer).recvTopkWeights());
    }
    CombineInputs sums = new CombineInputs(task.hidden(), task.topk(), expected, outputs, weights);
    ReferenceCombine home = RoutingReference.combine(rank, tokens, sums, List.of(), topology);
    long rows = got.numRecvTokens();
    Tensor y = Tensor.allocate(Arena.ofAuto(), DType.BF16, rows, task.hidden());
    MemorySegment.copy(outputs.get(rank), 0, y.segment(), 0, y.spanBytes());
    Tensor sent = buffer.memory().toDevice(y);
    buffer.group().barrier();
    CombineResult result =
        buffer.combine(
            CombineInput.of(sent).withTopkWeights(got.recvTopkWeights().orElseThrow()),
            got.handle());
    same("combined_x", result.combinedX(), home.combinedX());
    same(
        "combined_topk_weights",
        result.combinedTopkWeights().orElseThrow(),
        MemorySegment.ofArray(home.combinedTopkWeights()));
  }

  /// Stands for the experts: rows that differ between ranks and carry both signs.
  private MemorySegment expertRows(int rows, int peer) {
    long elements = (long) rows * task.hidden();
    MemorySegment bytes = MemorySegment.ofArray(new short[Math.toIntExact(elements)]);
    for (long i = 0; i < elements; i++) {
      int mixed = ((int) (i * 31 + peer * 17L) * 0x9E3779B1) >>> 7;
      short value = (short) ((0x3e00 + (mixed & 0x3ff)) | (mixed >> 3 & 0x8000));
      bytes.setAtIndex(ValueLayout.JAVA_SHORT, i, value);
    }
    return bytes;
  }

  private void same(String name, Tensor got, MemorySegment expected) {
    MemorySegment bytes = buffer.memory().toHost(got).segment();
    same(name, bytes.asSlice(0, got.spanBytes()), expected);
  }

  private void same(String name, MemorySegment got, MemorySegment expected) {
    long at = got.mismatch(expected.asSlice(0, Math.min(got.byteSize(), expected.byteSize())));
    if (at >= 0) {
      throw new VerificationException(
          "outputs differ from the reference: rank="
              + rank
              + ", tensor="
              + name
              + ", byte="
              + at
              + ", bytes="
              + got.byteSize()
              + ", expectedBytes="
              + expected.byteSize());
    }
    checkedBytes += got.byteSize();
  }
}
