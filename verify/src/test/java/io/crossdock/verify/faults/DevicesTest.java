package io.crossdock.verify.faults;

import static io.crossdock.verify.faults.Fault.invalid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.DeviceAllocator;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import io.crossdock.verify.harness.ExactCalls;
import java.lang.foreign.MemorySegment;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Tensors and allocators of a device that the engine does not work on: refused before anything
/// touches them.
class DevicesTest {
  private static final Device ELSEWHERE = Device.cuda(7);
  private static final String FACTS = "device=cuda:7, engineDevice=host, remedy=EpBuffer.memory()";

  /// Hands out addresses that nobody may touch.
  private static final class Untouchable implements DeviceAllocator {
    @Override
    public Device device() {
      return ELSEWHERE;
    }

    @Override
    public MemorySegment allocate(long bytes, long alignment) {
      return MemorySegment.ofAddress(4096);
    }
  }

  private static Tensor elsewhere(Tensor like) {
    return Tensor.allocate(new Untouchable(), like.dtype(), like.shape());
  }

  private static String on(String name) {
    return name + " lies on another device: " + FACTS;
  }

  @ParameterizedTest
  @MethodSource("dispatches")
  void aDispatchIsRefusedAndTheNextIsExact(Fault fault) throws Exception {
    fault.refuse(2, FaultRank::goodDispatch);
  }

  static Stream<Fault> dispatches() {
    return Stream.of(
        invalid("x", on("x"), r -> dispatch(r, elsewhere(r.batch().x()), r.batch().topkIdx())),
        invalid(
            "topkIdx",
            on("topkIdx"),
            r -> dispatch(r, r.batch().x(), elsewhere(r.batch().topkIdx()))),
        invalid("layout", on("layout"), DevicesTest::dispatchWithLayout),
        invalid("allocator", on("allocator"), DevicesTest::dispatchInto));
  }

  private static void dispatch(FaultRank rank, Tensor x, Tensor topkIdx) {
    DispatchInput input = DispatchInput.of(x, topkIdx, rank.batch().topkWeights());
    rank.buffer().dispatch(input, rank.layout()).close();
  }

  private static void dispatchWithLayout(FaultRank rank) {
    ExactCalls.Batch batch = rank.batch();
    Layout layout =
        Layout.allocate(
            new Untouchable(), new Layout.Sizes(FaultRank.MAX_TOKENS, rank.group().size(), 1, 12));
    layout.filled((int) batch.x().size(0), rank.buffer().memory());
    rank.buffer().dispatch(batch.input(), layout).close();
  }

  private static void dispatchInto(FaultRank rank) {
    DispatchOptions options =
        DispatchOptions.DEFAULT.withPlacement(Placement.owned(new Untouchable()));
    rank.buffer().dispatch(rank.batch().input(), rank.layout(), options).close();
  }

  @ParameterizedTest
  @MethodSource("combines")
  void aCombineIsRefusedAndTheNextIsExact(Fault fault) throws Exception {
    fault.refuse(2, FaultRank::goodCombine);
  }

  static Stream<Fault> combines() {
    return Stream.of(
        invalid("y", on("y"), r -> combine(r, CombineInput.of(elsewhere(r.outputs().y())))),
        invalid(
            "topkWeights",
            on("topkWeights"),
            r ->
                combine(
                    r, r.outputs().withTopkWeights(elsewhere(r.outputs().topkWeights().get())))),
        invalid("bias", on("bias0"), r -> combine(r, r.outputs().withBias(elsewhere(sums(r))))),
        invalid(
            "combinedX",
            on("combinedX"),
            r ->
                r.buffer()
                    .combineInto(
                        CombineInput.of(r.outputs().y()),
                        r.handle(),
                        CombineOptions.DEFAULT,
                        elsewhere(sums(r)),
                        null)),
        invalid(
            "allocator",
            on("allocator"),
            r ->
                r.buffer()
                    .combine(
                        r.outputs(),
                        r.handle(),
                        CombineOptions.DEFAULT.withAllocator(new Untouchable()))));
  }

  private static Tensor sums(FaultRank rank) {
    return Fault.tensor(DType.BF16, rank.handle().numTokens(), FaultRank.HIDDEN);
  }

  private static void combine(FaultRank rank, CombineInput input) {
    rank.buffer().combine(input, rank.handle());
  }

  /// What concerns no peer fails here alone.
  @Test
  void localCallsNameTheTensorToo() throws Exception {
    Foreign.with(rank -> {
      EpBuffer buffer = rank.buffer();
      Tensor ids = rank.batch().topkIdx();
      assertElsewhere("topkIdx", () -> buffer.layout(elsewhere(ids), 12));
      assertElsewhere("topkIdx", () -> buffer.layoutInto(elsewhere(ids), rank.layout()));
      assertElsewhere("allocator", () -> buffer.allocateLayout(new Untouchable(), 12));
      DispatchInput input = rank.batch().input();
      assertElsewhere("allocator", () -> buffer.allocateOutputs(new Untouchable(), input, 24));
      rank.takeLease();
      rank.checkUsable();
    });
  }

  private static void assertElsewhere(String name, Runnable call) {
    assertThatThrownBy(call::run)
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining(on(name));
  }

  @Test
  void theMemoryOfTheBufferIsWhereItsTensorsLie() throws Exception {
    Foreign.with(rank -> {
      Device device = rank.buffer().memory().device();
      rank.takeLease();
      assertThat(rank.batch().x().device()).isEqualTo(device);
      assertThat(rank.layout().tokensPerRank().device()).isEqualTo(device);
      rank.buffer().check();
      rank.checkUsable();
    });
  }
}
