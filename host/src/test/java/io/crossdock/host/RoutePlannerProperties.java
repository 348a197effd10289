package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.DType;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceLayout;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Assume;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.RandomDistribution;

/// The planner against the routing reference.
class RoutePlannerProperties {
  private static final int MAX_TOPK = 32;

  @Provide
  Arbitrary<Choices> choices() {
    return Combinators.combine(
            Arbitraries.integers().between(1, 130),
            Arbitraries.integers().between(1, 1024).withDistribution(RandomDistribution.biased()),
            Arbitraries.integers().between(1, MAX_TOPK),
            Arbitraries.integers().between(0, 40),
            Arbitraries.of(DType.I32, DType.I64),
            Arbitraries.integers().between(0, 5),
            Arbitraries.longs().withoutEdgeCases())
        .as(Choices::new);
  }

  @Property(tries = 500)
  void aPlanSendsEachTokenOnceToEachOfItsRanks(@ForAll("choices") Choices choices) {
    long[] ids = choices.ids();
    RoutePlanner planner = new RoutePlanner(choices.numRanks());
    SendPlan plan = new SendPlan();
    planner.plan(choices.tensor(ids), choices.numExperts(), plan);
    checkPlan(plan, choices.reference(ids).tokenInRank(), choices.tokens(), choices.numRanks());
    assertThat(planner.topk()).isEqualTo(choices.topk());
    assertThat(Arrays.copyOf(planner.choices(), ids.length))
        .isEqualTo(Arrays.stream(ids).mapToInt(id -> (int) id).toArray());
    assertThat(Arrays.copyOf(planner.expertCounts(), choices.numExperts()))
        .isEqualTo(choices.reference(ids).tokensPerExpert());
  }

  /// Ranks ascend within a token, and positions count the tokens sent to a rank so far.
  private static void checkPlan(SendPlan plan, boolean[] inRank, int tokens, int numRanks) {
    long[] counts = new long[numRanks];
    int entry = 0;
    for (int token = 0; token < tokens; token++) {
      assertThat(plan.begin(token)).isEqualTo(entry);
      for (int rank = 0; rank < numRanks; rank++) {
        if (inRank[token * numRanks + rank]) {
          assertThat(plan.rank(entry)).isEqualTo(rank);
          assertThat(plan.position(entry)).isEqualTo((int) counts[rank]++);
          entry++;
        }
      }
      assertThat(plan.end(token)).isEqualTo(entry);
    }
    assertThat(plan.numTokens()).isEqualTo(tokens);
    assertThat(plan.numEntries()).isEqualTo(entry);
    assertThat(plan.numRanks()).isEqualTo(numRanks);
    for (int rank = 0; rank < numRanks; rank++) {
      assertThat(plan.count(rank)).isEqualTo(counts[rank]);
    }
  }

  @Property(tries = 300)
  void aLayoutIsThatOfTheReferenceAndPlansTheSame(@ForAll("choices") Choices choices) {
    long[] ids = choices.ids();
    ReferenceLayout wanted = choices.reference(ids);
    RoutePlanner planner = new RoutePlanner(choices.numRanks());
    SendPlan plan = new SendPlan();
    planner.plan(choices.tensor(ids), choices.numExperts(), plan);
    try (Arena arena = Arena.ofConfined()) {
      // Two nodes where the ranks allow it, and room for more tokens than there are.
      int numNodes = choices.numRanks() % 2 == 0 ? 2 : 1;
      int numLocalRanks = choices.numRanks() / numNodes;
      Layout layout =
          Layout.allocate(
              arena,
              new Layout.Sizes(
                  choices.tokens() + 3, choices.numRanks(), numNodes, choices.numExperts()));
      layout.tokenInRank().segment().fill((byte) 0x55);
      planner.fillLayout(plan, layout, numLocalRanks);
      checkLayout(layout, wanted);
      layout
          .tokensPerNode()
          .ifPresent(
              nodes -> assertThat(ints(nodes)).isEqualTo(perNode(choices, ids, numLocalRanks)));
      planner.checkLayout(layout, plan);
      SendPlan fromLayout = new SendPlan();
      planner.plan(layout, fromLayout);
      checkPlan(fromLayout, wanted.tokenInRank(), choices.tokens(), choices.numRanks());
      assertThat(planner.topk()).isZero();
    }
  }

  private static void checkLayout(Layout layout, ReferenceLayout wanted) {
    assertThat(ints(layout.tokensPerRank())).isEqualTo(wanted.tokensPerRank());
    assertThat(ints(layout.tokensPerExpert())).isEqualTo(wanted.tokensPerExpert());
    boolean[] inRank = new boolean[wanted.tokenInRank().length];
    for (int i = 0; i < inRank.length; i++) {
      inRank[i] = layout.tokenInRank().segment().get(JAVA_BYTE, i) == 1;
    }
    assertThat(inRank).isEqualTo(wanted.tokenInRank());
    assertThat(layout.tokenInRank().numElements()).isEqualTo(inRank.length);
  }

  private static int[] perNode(Choices choices, long[] ids, int numLocalRanks) {
    RankInput input =
        RankInput.of(choices.tokens(), 0, MemorySegment.NULL).withTopk(choices.topk(), ids, null);
    Topology topology = new Topology(choices.numRanks(), numLocalRanks, choices.numExperts());
    return RoutingReference.layout(input, topology).tokensPerNode();
  }

  private static int[] ints(Tensor tensor) {
    int[] values = new int[Math.toIntExact(tensor.numElements())];
    MemorySegment.copy(
        tensor.segment(), ValueLayout.JAVA_INT_UNALIGNED, 0, values, 0, values.length);
    return values;
  }

  /// One planner serves batches of changing sizes; nothing of an earlier batch, nor of one that was
  /// refused half-way, shows in a later one.
  @Property(tries = 200)
  void aPlannerRemembersNothing(
      @ForAll("choices") Choices first, @ForAll("choices") Choices second) {
    Choices before =
        new Choices(
            second.numRanks(),
            first.perRank(),
            first.topk(),
            first.tokens(),
            first.dtype(),
            0,
            first.seed());
    RoutePlanner planner = new RoutePlanner(second.numRanks());
    SendPlan plan = new SendPlan();
    long[] broken = before.ids();
    if (broken.length > 0) {
      broken[broken.length - 1] = before.numExperts();
      assertThatThrownBy(() -> planner.plan(before.tensor(broken), before.numExperts(), plan))
          .isInstanceOf(InvalidInputException.class);
    }
    planner.plan(before.tensor(before.ids()), before.numExperts(), plan);
    long[] ids = second.ids();
    planner.plan(second.tensor(ids), second.numExperts(), plan);
    ReferenceLayout wanted = second.reference(ids);
    checkPlan(plan, wanted.tokenInRank(), second.tokens(), second.numRanks());
    assertThat(Arrays.copyOf(planner.expertCounts(), second.numExperts()))
        .isEqualTo(wanted.tokensPerExpert());
  }

  @Property(tries = 300)
  void anIdOutOfRangeIsNamed(
      @ForAll("choices") Choices choices, @ForAll int position, @ForAll long wrong) {
    long[] ids = choices.ids();
    Assume.that(ids.length > 0);
    long narrow = choices.dtype() == DType.I32 ? (int) wrong : wrong;
    long id = narrow >= -1 && narrow < choices.numExperts() ? choices.numExperts() : narrow;
    int at = Math.floorMod(position, ids.length);
    ids[at] = id;
    RoutePlanner planner = new RoutePlanner(choices.numRanks());
    assertThatThrownBy(
            () -> planner.plan(choices.tensor(ids), choices.numExperts(), new SendPlan()))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageStartingWith("expert id is out of range: ")
        .hasMessageContaining("token=" + at / choices.topk() + ", k=" + at % choices.topk())
        .hasMessageContaining("expert=" + id + ", numExperts=" + choices.numExperts());
  }

  @Property(tries = 300)
  void aRepeatedExpertIsNamed(
      @ForAll("choices") Choices choices, @ForAll int token, @ForAll int from, @ForAll int to) {
    int k = Math.floorMod(from, choices.topk());
    int again = Math.floorMod(to, choices.topk());
    Assume.that(choices.tokens() > 0 && k != again);
    long[] ids = choices.ids();
    int row = Math.floorMod(token, choices.tokens());
    int expert = Math.floorMod(token * 31 + from, choices.numExperts());
    ids[row * choices.topk() + k] = expert;
    ids[row * choices.topk() + again] = expert;
    RoutePlanner planner = new RoutePlanner(choices.numRanks());
    assertThatThrownBy(
            () -> planner.plan(choices.tensor(ids), choices.numExperts(), new SendPlan()))
        .isInstanceOf(InvalidInputException.class)
        .hasMessage("a token repeats an expert: token=" + row + ", expert=" + expert);
  }

  /// The same expert in two tokens is no repetition, however often it is chosen.
  @Example
  void aPopularExpertIsNoRepetition() {
    for (DType dtype : List.of(DType.I32, DType.I64)) {
      Choices choices = new Choices(3, 5, 1, 300, dtype, 0, 1);
      long[] ids = new long[300];
      Arrays.fill(ids, 14);
      SendPlan plan = new SendPlan();
      RoutePlanner planner = new RoutePlanner(3);
      planner.plan(choices.tensor(ids), 15, plan);
      assertThat(plan.count(2)).isEqualTo(300);
      assertThat(planner.expertCounts()[14]).isEqualTo(300);
    }
  }

  @Property(tries = 50)
  void aLayoutOfAnotherBatchIsNamed(@ForAll("choices") Choices choices) {
    SendPlan plan = new SendPlan();
    RoutePlanner planner = new RoutePlanner(choices.numRanks());
    planner.plan(choices.tensor(choices.ids()), choices.numExperts(), plan);
    try (Arena arena = Arena.ofConfined()) {
      Layout layout =
          Layout.allocate(
              arena,
              new Layout.Sizes(choices.tokens(), choices.numRanks(), 1, choices.numExperts()));
      planner.fillLayout(plan, layout, choices.numRanks());
      int rank = Math.floorMod(choices.seed(), choices.numRanks());
      layout
          .tokensPerRank()
          .segment()
          .setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, rank, layout.tokensToRank(rank) + 1);
      assertThatThrownBy(() -> planner.checkLayout(layout, plan))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("layout does not belong to topkIdx: rank=" + rank);
    }
  }

  @Property(tries = 20)
  void aLayoutThatIsTooSmallIsNamed(@ForAll("choices") Choices choices) {
    Assume.that(choices.tokens() > 0);
    SendPlan plan = new SendPlan();
    RoutePlanner planner = new RoutePlanner(choices.numRanks());
    planner.plan(choices.tensor(choices.ids()), choices.numExperts(), plan);
    try (Arena arena = Arena.ofConfined()) {
      Layout.Sizes sizes =
          new Layout.Sizes(choices.tokens() - 1, choices.numRanks(), 1, choices.numExperts());
      Layout layout = Layout.allocate(arena, sizes);
      assertThatThrownBy(() -> planner.fillLayout(plan, layout, choices.numRanks()))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("numTokens=" + choices.tokens())
          .hasMessageContaining("maxTokens=" + (choices.tokens() - 1));
    }
  }
}
