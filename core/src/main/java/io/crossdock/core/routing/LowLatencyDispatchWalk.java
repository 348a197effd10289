package io.crossdock.core.routing;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import io.crossdock.core.format.Ue8m0;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// Collects what one rank receives in low-latency mode.
///
/// Confined to one thread.
final class LowLatencyDispatchWalk {
  private final List<RankInput> inputs;
  private final LowLatencySpec spec;
  private final int rank;
  private final int hidden;
  private final int numGroups;

  /// Selections of each local expert, in the order of their rows.
  private final List<List<Selection>> selected = new ArrayList<>();

  private record Selection(int source, int token) {}

  LowLatencyDispatchWalk(List<RankInput> inputs, LowLatencySpec spec, int rank) {
    this.inputs = inputs;
    this.spec = spec;
    this.rank = rank;
    this.hidden = Math.toIntExact(inputs.get(rank).rowBytes() / 2);
    this.numGroups = hidden / Fp8Groups.CHANNELS;
    for (int expert = 0; expert < spec.topology().numLocalExperts(); expert++) {
      selected.add(new ArrayList<>());
    }
  }

  ReferenceLowLatencyDispatch receive() {
    check();
    for (int source = 0; source < inputs.size(); source++) {
      if (!spec.absent().contains(source)) {
        select(source, inputs.get(source));
      }
    }
    return new ReferenceLowLatencyDispatch(
        selected.stream().mapToInt(List::size).toArray(),
        selected.stream().map(this::rows).toList(),
        selected.stream().map(this::scales).toList(),
        selected.stream().map(LowLatencyDispatchWalk::tokens).toList(),
        layoutBegin(),
        layoutCount());
  }

  private void check() {
    if (spec.absent().contains(rank)) {
      throw new InvalidInputException("a masked rank receives nothing: rank=" + rank);
    }
    if (spec.format().isFp8() && hidden % Fp8Groups.CHANNELS != 0) {
      throw new InvalidInputException("FP8 needs a multiple of 128 channels: hidden=" + hidden);
    }
  }

  private void select(int source, RankInput input) {
    if (input.numTokens() > spec.numMaxTokensPerRank()) {
      throw new InvalidInputException(
          "too many tokens: rank="
              + source
              + ", tokens="
              + input.numTokens()
              + ", numMaxTokensPerRank="
              + spec.numMaxTokensPerRank());
    }
    Topology topology = spec.topology();
    for (int token = 0; token < input.numTokens(); token++) {
      for (int k = 0; k < input.topk(); k++) {
        long expert = input.topkIdx()[token * input.topk() + k];
        if (spec.isSelection(expert) && topology.rankOf(expert) == rank) {
          int local = (int) (expert % topology.numLocalExperts());
          selected.get(local).add(new Selection(source, token));
        }
      }
    }
  }

  private MemorySegment rows(List<Selection> selections) {
    boolean fp8 = spec.format().isFp8();
    long size = fp8 ? hidden : hidden * 2L;
    MemorySegment rows = bytes(selections.size() * size);
    for (int i = 0; i < selections.size(); i++) {
      MemorySegment row = rows.asSlice(i * size, size);
      if (fp8) {
        quantise(selections.get(i), row, bytes(numGroups * 4L));
      } else {
        row.copyFrom(sent(selections.get(i)));
      }
    }
    return rows;
  }

  private MemorySegment scales(List<Selection> selections) {
    if (!spec.format().isFp8()) {
      return bytes(0);
    }
    boolean packed = spec.format() == LowLatencyFormat.FP8_UE8M0;
    long size = 4L * (packed ? Ue8m0.numWords(numGroups) : numGroups);
    MemorySegment scales = bytes(selections.size() * size);
    MemorySegment floats = bytes(numGroups * 4L);
    for (int i = 0; i < selections.size(); i++) {
      MemorySegment target = scales.asSlice(i * size, size);
      quantise(selections.get(i), bytes(hidden), floats);
      if (packed) {
        Ue8m0.packRow(floats, target);
      } else {
        target.copyFrom(floats);
      }
    }
    return scales;
  }

  private void quantise(Selection selection, MemorySegment codes, MemorySegment scales) {
    Fp8Scale rule = spec.format() == LowLatencyFormat.FP8 ? Fp8Scale.AMAX : Fp8Scale.POWER_OF_TWO;
    Fp8Groups.quantiseRow(sent(selection), rule, codes, scales);
  }

  private MemorySegment sent(Selection selection) {
    long size = hidden * 2L;
    return inputs.get(selection.source).rows().asSlice(selection.token * size, size);
  }

  private static int[] tokens(List<Selection> selections) {
    return selections.stream().mapToInt(Selection::token).toArray();
  }

  private int[] layoutCount() {
    int numRanks = spec.topology().numRanks();
    int[] counts = new int[selected.size() * numRanks];
    for (int expert = 0; expert < selected.size(); expert++) {
      for (Selection selection : selected.get(expert)) {
        counts[expert * numRanks + selection.source]++;
      }
    }
    return counts;
  }

  private int[] layoutBegin() {
    int numRanks = spec.topology().numRanks();
    int[] begins = layoutCount();
    for (int first = 0; first < begins.length; first += numRanks) {
      int begin = 0;
      for (int cell = first; cell < first + numRanks; cell++) {
        int count = begins[cell];
        begins[cell] = begin;
        begin += count;
      }
    }
    return begins;
  }

  private static MemorySegment bytes(long size) {
    return MemorySegment.ofArray(new byte[Math.toIntExact(size)]);
  }
}
