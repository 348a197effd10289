package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.cli.safetensors.SafetensorsFile;
import io.crossdock.cli.safetensors.TensorInfo;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp16;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The recorded tensors of one rank, checked and taken to the types the engine wants.
///
/// Safe for any thread while its arena lives.
///
/// @param x BF16 [tokens, H]
/// @param topkIdx I64 or I32 [tokens, K]
/// @param topkWeights F32 [tokens, K]
/// @param bias0 BF16 [tokens, H], if recorded
/// @param bias1 BF16 [tokens, H], if recorded
record ReplayInput(
    Tensor x, Tensor topkIdx, Tensor topkWeights, Optional<Tensor> bias0, Optional<Tensor> bias1) {

  static final String NUM_EXPERTS = "num_experts";

  private static final Pattern OF_RANK = Pattern.compile("rank(\\d{1,9})\\..+");

  /// {@return ranks recorded: those with an x, counted from 0}
  static int numRanks(SafetensorsFile file) {
    int ranks = 0;
    while (file.find("rank" + ranks + ".x").isPresent()) {
      ranks++;
    }
    if (ranks == 0) {
      throw new InvalidInputException("no recorded ranks: tensor=rank0.x");
    }
    checkNoGap(file, ranks);
    return ranks;
  }

  private static void checkNoGap(SafetensorsFile file, int ranks) {
    for (String name : file.tensors().keySet()) {
      Matcher ofRank = OF_RANK.matcher(name);
      if (ofRank.matches() && Integer.parseInt(ofRank.group(1)) >= ranks) {
        throw new InvalidInputException(
            "recorded ranks have a gap: missing=rank" + ranks + ".x, tensor=" + name);
      }
    }
  }

  static int numExperts(SafetensorsFile file) {
    String text = file.metadata().get(NUM_EXPERTS);
    try {
      return Integer.parseInt(String.valueOf(text).strip());
    } catch (NumberFormatException e) {
      throw new InvalidInputException("metadata is not a number: key=num_experts, value=" + text);
    }
  }

  static ReplayInput read(SafetensorsFile file, int rank, Arena arena) {
    String prefix = "rank" + rank + ".";
    Tensor x = rows(file, prefix + "x", arena);
    Tensor idx = integers(file, prefix + "topk_idx", arena);
    Tensor weights = floats(file, prefix + "topk_weights", arena);
    long tokens = x.size(0);
    if (idx.size(0) != tokens || weights.size(0) != tokens || idx.size(1) != weights.size(1)) {
      throw new InvalidInputException(
          "recorded tensors do not fit each other: rank="
              + rank
              + ", x=["
              + x.describe()
              + "], topk_idx=["
              + idx.describe()
              + "], topk_weights=["
              + weights.describe()
              + "]");
    }
    return new ReplayInput(
        x, idx, weights, bias(file, prefix + "bias0", arena), bias(file, prefix + "bias1", arena));
  }

  private static Optional<Tensor> bias(SafetensorsFile file, String name, Arena arena) {
    return file.find(name).map(info -> rows(file, name, arena));
  }

  int hidden() {
    return Math.toIntExact(x.size(1));
  }

  int topk() {
    return Math.toIntExact(topkIdx.size(1));
  }

  /// {@return the first recorded biases}
  ///
  /// @param count 0 to 2
  Tensor[] bias(int count) {
    if ((count > 0 && bias0.isEmpty()) || (count > 1 && bias1.isEmpty())) {
      throw new InvalidInputException("bias is not recorded: wanted=" + count);
    }
    return switch (count) {
      case 0 -> new Tensor[0];
      case 1 -> new Tensor[] {bias0.get()};
      default -> new Tensor[] {bias0.get(), bias1.get()};
    };
  }

  /// {@return what to dispatch: the rows as they are, or quantised to FP8 with float32 scales}
  DispatchInput dispatchInput(ReplayTask.RowType type, Arena arena) {
    if (type == ReplayTask.RowType.bf16) {
      return DispatchInput.of(x, topkIdx, topkWeights);
    }
    if (hidden() % Fp8Groups.CHANNELS != 0) {
      throw new InvalidInputException("FP8 rows need a multiple of 128: hidden=" + hidden());
    }
    long tokens = x.size(0);
    Tensor codes = Tensor.allocate(arena, DType.FP8_E4M3, tokens, hidden());
    Tensor scales = Tensor.allocate(arena, DType.F32, tokens, hidden() / Fp8Groups.CHANNELS);
    for (long t = 0; t < tokens; t++) {
      Fp8Groups.quantiseRow(row(x, t), Fp8Scale.AMAX, row(codes, t), row(scales, t));
    }
    return DispatchInput.of(codes, topkIdx, topkWeights).withScales(scales);
  }

  static MemorySegment row(Tensor tensor, long index) {
    return tensor.segment().asSlice(index * tensor.pitchBytes(), tensor.rowBytes());
  }

  private static Tensor rows(SafetensorsFile file, String name, Arena arena) {
    TensorInfo info = matrix(file, name);
    MemorySegment bytes = file.bytes(name);
    Tensor rows = Tensor.allocate(arena, DType.BF16, info.size(0), info.size(1));
    MemorySegment to = rows.segment();
    long elements = rows.numElements();
    switch (info.dtype()) {
      case "BF16" -> MemorySegment.copy(bytes, 0, to, 0, elements * 2);
      case "F16" -> {
        for (long i = 0; i < elements; i++) {
          float value = Fp16.toFloat(bytes.get(JAVA_SHORT_UNALIGNED, i * 2));
          to.set(JAVA_SHORT_UNALIGNED, i * 2, Bf16.fromFloat(value));
        }
      }
      case "F32" -> {
        for (long i = 0; i < elements; i++) {
          float value = bytes.get(JAVA_FLOAT_UNALIGNED, i * 4);
          to.set(JAVA_SHORT_UNALIGNED, i * 2, Bf16.fromFloat(value));
        }
      }
      default -> throw wrongType(name, info, "BF16, F16 or F32");
    }
    return rows;
  }

  private static Tensor integers(SafetensorsFile file, String name, Arena arena) {
    TensorInfo info = matrix(file, name);
    return switch (info.dtype()) {
      case "I64" -> copy(file, info, DType.I64, arena);
      case "I32" -> copy(file, info, DType.I32, arena);
      default -> throw wrongType(name, info, "I64 or I32");
    };
  }

  private static Tensor floats(SafetensorsFile file, String name, Arena arena) {
    TensorInfo info = matrix(file, name);
    if (!info.dtype().equals("F32")) {
      throw wrongType(name, info, "F32");
    }
    return copy(file, info, DType.F32, arena);
  }

  private static Tensor copy(SafetensorsFile file, TensorInfo info, DType dtype, Arena arena) {
    Tensor tensor = Tensor.allocate(arena, dtype, info.size(0), info.size(1));
    MemorySegment.copy(file.bytes(info.name()), 0, tensor.segment(), 0, info.end() - info.begin());
    return tensor;
  }

  private static TensorInfo matrix(SafetensorsFile file, String name) {
    TensorInfo info =
        file.find(name)
            .orElseThrow(() -> new InvalidInputException("tensor is missing: tensor=" + name));
    if (info.shape().size() != 2) {
      throw new InvalidInputException(
          "tensor is no matrix: tensor=" + name + ", shape=" + info.shape());
    }
    return info;
  }

  private static InvalidInputException wrongType(String name, TensorInfo info, String wanted) {
    return new InvalidInputException(
        "tensor has the wrong dtype: tensor="
            + name
            + ", dtype="
            + info.dtype()
            + ", expected="
            + wanted);
  }
}
