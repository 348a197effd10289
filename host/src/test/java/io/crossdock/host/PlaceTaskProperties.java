package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.routing.DispatchSpec;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.Topology;
import io.crossdock.core.spi.DispatchCall;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// Placing against the routing reference: all ranks place one after the other into plain memory.
class PlaceTaskProperties {
  private static final int MAX_TOKENS = 40;
  private static final int TOPK = 3;
  private static final int LOCAL_EXPERTS = 3;

  /// Types of rows and scales.
  enum Rows {
    BF16(DType.BF16, null),
    F32(DType.F32, null),
    FP8_F32(DType.FP8_E4M3, DType.F32),
    FP8_UE8M0(DType.FP8_E4M3, DType.I32);

    final DType dtype;
    final DType scales;

    Rows(DType dtype, DType scales) {
      this.dtype = dtype;
      this.scales = scales;
    }
  }

  /// One dispatch.
  ///
  /// @param numRanks R
  /// @param hidden H
  /// @param rows of which type
  /// @param config workers, pieces, chunks
  /// @param capacityRows of a window, 0 for the worst case
  /// @param padding elements between two rows of an input
  /// @param ids type of the choices
  /// @param seed of all data
  record Case(
      int numRanks,
      int hidden,
      Rows rows,
      DispatchConfig config,
      int capacityRows,
      int padding,
      DType ids,
      long seed) {

    BufferSpec spec() {
      return BufferSpec.builder()
          .numMaxTokensPerRank(MAX_TOKENS)
          .hidden(hidden)
          .topk(TOPK)
          .numExperts(numRanks * LOCAL_EXPERTS)
          .dtype(DType.F32)
          .capacityRows(capacityRows)
          .build();
    }

    int scaleColumns() {
      int perRow = hidden / BufferSpec.CHANNELS_PER_SCALE;
      return rows.scales == DType.I32 ? (perRow + 3) / 4 : perRow;
    }
  }

  /// What one rank sends, for the reference and for the engine.
  private record Source(RankInput input, DispatchCall call, Choices choices) {}

  @Provide
  Arbitrary<Case> cases() {
    Arbitrary<DispatchConfig> configs =
        Combinators.combine(
                Arbitraries.integers().between(1, 3),
                Arbitraries.integers().between(1, 64),
                Arbitraries.of(1, 3, 7, 64, Integer.MAX_VALUE))
            .as(DispatchConfig::new);
    return Combinators.combine(
            Arbitraries.integers().between(1, 6),
            Arbitraries.of(128, 256, 384, 640, 1152),
            Arbitraries.of(Rows.class),
            configs,
            Arbitraries.of(0, 0, 1, 5, 17),
            Arbitraries.integers().between(0, 9),
            Arbitraries.of(DType.I32, DType.I64),
            Arbitraries.longs())
        .as(Case::new);
  }

  /// Rows that are long enough together to be written past the caches.
  @Provide
  Arbitrary<Case> longRows() {
    return Combinators.combine(
            Arbitraries.of(Rows.BF16, Rows.F32, Rows.FP8_F32),
            Arbitraries.integers().between(1, 9),
            Arbitraries.of(0, 29),
            Arbitraries.integers().between(0, 9),
            Arbitraries.longs())
        .as((rows, stages, capacity, padding, seed) -> {
          DispatchConfig config = new DispatchConfig(2, stages, 7);
          return new Case(2, 28_800, rows, config, capacity, padding, DType.I64, seed);
        });
  }

  @Property(tries = 12, edgeCases = EdgeCasesMode.NONE)
  void longRowsLandThereToo(@ForAll("longRows") Case test) {
    everyRowLandsWhereTheReferenceSays(test);
  }

  @Property(tries = 250, edgeCases = EdgeCasesMode.NONE)
  void everyRowLandsWhereTheReferenceSays(@ForAll("cases") Case test) {
    try (Ranks ranks = new Ranks(test.spec(), test.numRanks)) {
      List<Source> sources = new ArrayList<>();
      for (int rank = 0; rank < test.numRanks; rank++) {
        sources.add(source(test, ranks, rank));
      }
      List<ReferenceDispatch> wanted =
          RoutingReference.dispatch(
              sources.stream().map(Source::input).toList(),
              DispatchSpec.of(Topology.oneNode(test.numRanks, test.spec().numExperts())));
      long most = wanted.stream().mapToLong(ReferenceDispatch::numRecvTokens).max().orElse(0);
      long capacity = ranks.layout.rows;
      int numRounds = Math.toIntExact(Math.max(1, Math.ceilDiv(most, capacity)));
      prepareHandles(ranks, sources);
      for (int round = 0; round < numRounds; round++) {
        for (MemorySegment page : ranks.pages) {
          page.fill((byte) 0x5a);
        }
        placeAll(test, ranks, sources, round);
        for (int rank = 0; rank < test.numRanks; rank++) {
          new Landed(test, ranks, rank).check(wanted.get(rank), round * capacity);
        }
      }
    }
  }

  private static Source source(Case test, Ranks ranks, int rank) {
    SplittableRandom random = new SplittableRandom(test.seed * 31 + rank);
    int tokens = random.nextInt(MAX_TOKENS + 1);
    Choices choices =
        new Choices(
            test.numRanks, LOCAL_EXPERTS, TOPK, tokens, test.ids, test.padding, random.nextLong());
    DispatchCall call = new DispatchCall();
    call.config = test.config;
    call.x = noise(random, test.rows.dtype, tokens, test.hidden, test.padding);
    call.topkIdx = choices.tensor(choices.ids());
    call.topkWeights = noise(random, DType.F32, tokens, TOPK, test.padding);
    if (test.rows.scales != null) {
      call.scales = noise(random, test.rows.scales, tokens, test.scaleColumns(), test.padding);
    }
    call.handle = new HandleData(rank, test.numRanks);
    call.handle.numExperts = choices.numExperts();
    ranks.contexts[rank].planner.plan(call.topkIdx, choices.numExperts(), call.handle.plan);
    return new Source(input(call, choices), call, choices);
  }

  private static RankInput input(DispatchCall call, Choices choices) {
    float[] weights = new float[choices.tokens() * TOPK];
    MemorySegment packed = packed(call.topkWeights);
    MemorySegment.copy(packed, JAVA_FLOAT_UNALIGNED, 0, weights, 0, weights.length);
    RankInput input =
        RankInput.of(choices.tokens(), call.x.rowBytes(), packed(call.x))
            .withTopk(TOPK, choices.ids(), weights);
    return call.scales == null
        ? input
        : input.withScales(call.scales.rowBytes(), packed(call.scales));
  }

  private static Tensor noise(
      SplittableRandom random, DType dtype, int rows, int columns, int padding) {
    byte[] bytes = new byte[Math.max(1, rows * (columns + padding) * dtype.bytes())];
    random.nextBytes(bytes);
    return Tensor.strided(
        MemorySegment.ofArray(bytes),
        dtype,
        new long[] {rows, columns},
        new long[] {columns + padding, 1});
  }

  private static MemorySegment packed(Tensor tensor) {
    long rows = tensor.size(0);
    long bytes = tensor.rowBytes();
    MemorySegment packed = MemorySegment.ofArray(new byte[Math.toIntExact(rows * bytes)]);
    for (long row = 0; row < rows; row++) {
      MemorySegment.copy(tensor.segment(), row * tensor.pitchBytes(), packed, row * bytes, bytes);
    }
    return packed;
  }

  /// What entering the epoch does: every rank learns all counts and windows.
  private static void prepareHandles(Ranks ranks, List<Source> sources) {
    for (Source source : sources) {
      HandleData handle = source.call.handle;
      for (int peer = 0; peer < sources.size(); peer++) {
        long[] counts = new long[sources.size()];
        for (int rank = 0; rank < counts.length; rank++) {
          counts[rank] = sources.get(peer).call.handle.plan.count(rank);
        }
        handle.setCounts(peer, counts);
        Entry entry = ranks.contexts[handle.rank].protocol.entry(peer);
        entry.window = window(peer);
        entry.capacityRows = ranks.layout.rows;
      }
    }
  }

  private static int window(int rank) {
    return rank % 2;
  }

  private static void placeAll(Case test, Ranks ranks, List<Source> sources, int round) {
    for (Source source : sources) {
      HostContext context = ranks.contexts[source.call.handle.rank];
      PlaceTask place = new PlaceTask(context);
      place.prepare(source.call);
      place.round(round);
      long rowBytes = source.call.x.rowBytes();
      assertThat(place.numPieces())
          .isBetween(1, Math.toIntExact(Math.min(test.config.stages(), (rowBytes + 63) / 64)));
      context.pool.run(place, place.numChunks(), test.config.numSms());
      place.clear();
    }
  }

  /// What lies in the window of one rank after a round.
  private record Landed(Case test, Ranks ranks, int rank) {
    void check(ReferenceDispatch wanted, long firstRow) {
      long rows = Math.clamp(wanted.numRecvTokens() - firstRow, 0, ranks.layout.rows);
      WindowLayout layout = ranks.layout;
      long rowBytes = (long) test.hidden * test.rows.dtype.bytes();
      compare("rows", 0, wanted.recvRows(), firstRow, rows, rowBytes);
      if (test.rows.scales != null) {
        long bytes = test.scaleColumns() * 4L;
        compare("scales", layout.recvScales, wanted.recvScales(), firstRow, rows, bytes);
      }
      for (long row = 0; row < rows; row++) {
        int index = Math.toIntExact(firstRow + row);
        assertThat(get(layout.recvSource + row * 4))
            .as("source of row %d, %s", index, test)
            .isEqualTo(wanted.sourceTokenIdx()[index]);
        for (int k = 0; k < TOPK; k++) {
          checkChoice(wanted, index * TOPK + k, row * TOPK + k);
        }
      }
    }

    private void checkChoice(ReferenceDispatch wanted, int index, long at) {
      WindowLayout layout = ranks.layout;
      long id =
          test.ids == DType.I64
              ? page().get(JAVA_LONG_UNALIGNED, window0() + layout.recvTopkIdx + at * 8)
              : get(layout.recvTopkIdx + at * 4);
      assertThat(id).as("id %d, %s", index, test).isEqualTo(wanted.recvTopkIdx()[index]);
      assertThat(get(layout.recvTopkWeights + at * 4))
          .as("weight %d, %s", index, test)
          .isEqualTo(Float.floatToRawIntBits(wanted.recvTopkWeights()[index]));
    }

    /// The rows are those wanted, and what follows them in the window was not touched.
    private void compare(
        String name, long area, MemorySegment wanted, long firstRow, long rows, long bytes) {
      MemorySegment got = page().asSlice(window0() + area, ranks.layout.rows * bytes);
      MemorySegment part =
          rows == 0 ? MemorySegment.NULL : wanted.asSlice(firstRow * bytes, rows * bytes);
      assertThat(got.asSlice(0, rows * bytes).mismatch(part))
          .as("first byte of %s that differs, rank=%d, %s", name, rank, test)
          .isEqualTo(-1);
      MemorySegment rest = got.asSlice(rows * bytes);
      MemorySegment untouched = MemorySegment.ofArray(new byte[(int) rest.byteSize()]);
      assertThat(rest.mismatch(untouched.fill((byte) 0x5a)))
          .as("first byte behind %s that was written, rank=%d, %s", name, rank, test)
          .isEqualTo(-1);
    }

    private int get(long offset) {
      return page().get(JAVA_INT_UNALIGNED, window0() + offset);
    }

    private MemorySegment page() {
      return ranks.pages[rank];
    }

    private long window0() {
      return ranks.layout.receive(window(rank));
    }
  }
}
