package io.crossdock.verify.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.CallStats;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.CombineResult;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Each field of a config changes what runs, and none changes what comes out.
@Timeout(120)
class ConfigTest {
  private static final int NUM_RANKS = 2;
  private static final int TOKENS = 40;

  /// 512 bytes a row: at most eight pieces of a cache line.
  private static final int HIDDEN = 256;

  private static void onAllRanks(Consumer<Steps> body) throws Exception {
    RankThreads.run(NUM_RANKS, group -> Steps.run(group, body));
  }

  /// The buffer of one rank and its batch.
  private record Steps(EpBuffer buffer, Batch batch) {
    static void run(ProcessGroup group, Consumer<Steps> body) {
      try (Arena arena = Arena.ofShared();
          EpBuffer buffer =
              EpBuffer.open(Engines.open("host"), Batch.spec(NUM_RANKS, TOKENS, HIDDEN), group)) {
        body.accept(new Steps(buffer, Batch.of(buffer, arena, TOKENS)));
      }
    }

    CallStats dispatch(DispatchOptions options) {
      try (DispatchResult got = buffer.dispatch(batch.input, batch.layout, options)) {
        MemorySegment sent = batch.input.x().segment();
        for (int source = 0; source < NUM_RANKS; source++) {
          MemorySegment part = got.recvX().segment().asSlice(source * sent.byteSize());
          assertThat(part.asSlice(0, sent.byteSize()).mismatch(sent)).isEqualTo(-1);
        }
        return buffer.lastCall();
      }
    }

    CallStats combine(CombineOptions options) {
      try (DispatchResult got = buffer.dispatch(batch.input, batch.layout)) {
        CombineResult plain =
            buffer.combine(
                batch.outputs,
                got.handle(),
                CombineOptions.DEFAULT.withConfig(new CombineConfig(1, 1, 1)));
        CombineResult sums = buffer.combine(batch.outputs, got.handle(), options);
        MemorySegment wanted = plain.combinedX().segment();
        assertThat(sums.combinedX().segment().mismatch(wanted)).isEqualTo(-1);
        return buffer.lastCall();
      }
    }

    CallStats dispatch(int numSms, int stages, int chunkRows) {
      return dispatch(
          DispatchOptions.DEFAULT.withConfig(new DispatchConfig(numSms, stages, chunkRows)));
    }

    CallStats combine(int numSms, int stages, int chunkRows) {
      return combine(
          CombineOptions.DEFAULT.withConfig(new CombineConfig(numSms, stages, chunkRows)));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void numSmsIsTheNumberOfWorkers(int numSms) throws Exception {
    onAllRanks(steps -> {
      assertThat(steps.dispatch(numSms, 1, 4).numWorkers()).isEqualTo(numSms);
      assertThat(steps.combine(numSms, 1, 4).numWorkers()).isEqualTo(numSms);
      // No more than there are chunks.
      assertThat(steps.dispatch(numSms, 1, 20).numWorkers()).isEqualTo(Math.min(numSms, 2));
      assertThat(steps.combine(numSms, 1, 20).numWorkers()).isEqualTo(Math.min(numSms, 2));
      String name = "crossdock-" + steps.buffer.group().rank() + "-worker-";
      assertThat(Thread.getAllStackTraces().keySet())
          .filteredOn(thread -> thread.getName().startsWith(name))
          .hasSize(numSms - 1);
    });
  }

  @ParameterizedTest
  @CsvSource({
    "1, 40",
    "7, 6",
    "8, 5",
    "39, 2",
    "40, 1",
    "41, 1",
    "2147483647, 1",
  })
  void chunkRowsIsWhatAWorkerTakesAtATime(int chunkRows, int chunks) throws Exception {
    onAllRanks(steps -> {
      assertThat(steps.dispatch(2, 1, chunkRows).numChunks()).isEqualTo(chunks);
      assertThat(steps.combine(2, 1, chunkRows).numChunks()).isEqualTo(chunks);
    });
  }

  /// Dispatch: pieces of a row, at least a cache line each. Combine: rows of one pass, up to four.
  @ParameterizedTest
  @CsvSource({"1, 1, 1", "2, 2, 2", "3, 3, 3", "4, 4, 4", "5, 4, 4", "8, 8, 4", "64, 8, 4"})
  void stagesIsTheNumberOfPieces(int stages, int pieces, int rowsPerPass) throws Exception {
    onAllRanks(steps -> {
      assertThat(steps.dispatch(1, stages, 8).numPasses()).isEqualTo(pieces);
      assertThat(steps.combine(1, stages, 8).numPasses()).isEqualTo(rowsPerPass);
    });
  }

  @Test
  void theBuffersOwnConfigCountsWhenACallBringsNone() throws Exception {
    onAllRanks(steps -> {
      int chunkRows = DispatchConfig.recommended(NUM_RANKS).chunkRows();
      int chunks = Math.ceilDiv(TOKENS, chunkRows);
      steps.buffer.setNumSms(2);
      assertThat(steps.dispatch(DispatchOptions.DEFAULT).numWorkers()).isEqualTo(2);
      assertThat(steps.buffer.lastCall().numChunks()).isEqualTo(chunks).isEqualTo(2);
      assertThat(steps.combine(CombineOptions.DEFAULT).numWorkers()).isEqualTo(2);
      assertThat(steps.dispatch(1, 1, 4).numWorkers()).isEqualTo(1);
      steps.buffer.setNumSms(0);
      assertThat(steps.dispatch(DispatchOptions.DEFAULT).numWorkers()).isBetween(1, 2);
    });
  }

  /// Zero leaves the choice to the engine: at least one, at most this rank's share of the cores.
  @Test
  void zeroIsTheEnginesChoice() throws Exception {
    int share = Math.max(1, Runtime.getRuntime().availableProcessors() / NUM_RANKS);
    onAllRanks(steps -> {
      assertThat(steps.dispatch(0, 1, 1).numWorkers()).isBetween(1, share);
      assertThat(steps.combine(0, 1, 1).numWorkers()).isBetween(1, share);
    });
  }

  @Test
  void bytesAreCountedAsTheContractSays() throws Exception {
    onAllRanks(steps -> {
      long rowBytes = HIDDEN * 2L;
      CallStats sent = steps.dispatch(1, 1, 8);
      assertThat(sent.bytesRead()).isEqualTo(TOKENS * rowBytes);
      assertThat(sent.bytesWritten()).isEqualTo(NUM_RANKS * TOKENS * rowBytes);
      assertThat(sent.wireBytes()).isEqualTo((NUM_RANKS - 1) * TOKENS * rowBytes);
      assertThat(sent.numRounds()).isEqualTo(1);
      CallStats home = steps.combine(1, 1, 8);
      assertThat(home.bytesRead()).isEqualTo(NUM_RANKS * TOKENS * rowBytes);
      assertThat(home.bytesWritten()).isEqualTo(TOKENS * rowBytes);
      assertThat(home.wireBytes()).isEqualTo((NUM_RANKS - 1) * TOKENS * rowBytes);
      assertThat(home.numRounds()).isEqualTo(1);
    });
  }
}
