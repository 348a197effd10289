package io.crossdock.core.routing;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.InvalidInputException;
import java.util.Arrays;

/// Picks experts from router scores: plain softmax top-k, and the group-limited gating of
/// DeepSeek-V3 (DeepSeek-V3 technical report, section 2.1.2).
///
/// Among equal scores the lower index wins, so that results do not depend on the order of a sort. A
/// score of minus infinity masks an expert: it is picked last, with weight 0.
///
/// Safe for any thread.
public final class Gating {
  /// Keeps a sum of weights that are all zero from being divided by.
  private static final float TINY = 1e-20f;

  private Gating() {}

  /// Sigmoid scores with a bias that counts for the selection only: a group's score is the sum of
  /// its two best biased scores; of the best groups the best experts are picked; their weights are
  /// the unbiased scores, divided by their sum, times `scaling`.
  ///
  /// @param scores router outputs before the sigmoid, [tokens, E]
  /// @param bias `[E]`, finite
  /// @param groups how many groups there are and how many are kept
  /// @param topk K
  /// @param scaling factor of the weights
  /// @return picks, best biased score first
  /// @throws InvalidInputException if sizes do not fit each other or a score is NaN or infinity
  public static GatingResult groupLimited(
      float[] scores, float[] bias, GroupLimit groups, int topk, float scaling) {
    int numExperts = bias.length;
    int perGroup = checkGroups(numExperts, groups, topk);
    checkBias(bias);
    int tokens = checkScores(scores, numExperts);
    GatingResult result = empty(tokens, topk);
    float[] sigmoid = new float[numExperts];
    float[] biased = new float[numExperts];
    float[] groupScores = new float[groups.numGroups()];
    for (int token = 0; token < tokens; token++) {
      for (int e = 0; e < numExperts; e++) {
        sigmoid[e] = (float) (1.0 / (1.0 + Math.exp(-scores[token * numExperts + e])));
        biased[e] = sigmoid[e] + bias[e];
      }
      for (int g = 0; g < groupScores.length; g++) {
        groupScores[g] = twoBest(biased, g * perGroup, (g + 1) * perGroup);
      }
      dropGroups(biased, best(groupScores, groups.topkGroups()), perGroup);
      put(result, token, best(biased, topk), sigmoid, scaling);
    }
    return result;
  }

  /// The K largest scores; weights are the softmax over all experts, divided by the sum of the
  /// picks'.
  ///
  /// @param scores router outputs, [tokens, E]
  /// @param numExperts E
  /// @param topk K
  /// @return picks, best first
  /// @throws InvalidInputException if sizes do not fit each other or a score is NaN or infinity
  public static GatingResult softmaxTopk(float[] scores, int numExperts, int topk) {
    checkGroups(numExperts, new GroupLimit(1, 1), topk);
    int tokens = checkScores(scores, numExperts);
    GatingResult result = empty(tokens, topk);
    float[] exponentials = new float[numExperts];
    for (int token = 0; token < tokens; token++) {
      float[] row = Arrays.copyOfRange(scores, token * numExperts, (token + 1) * numExperts);
      int[] picks = best(row, topk);
      float largest = Math.max(row[picks[0]], -Float.MAX_VALUE);
      for (int e = 0; e < numExperts; e++) {
        exponentials[e] = (float) Math.exp(row[e] - largest);
      }
      put(result, token, picks, exponentials, 1.0f);
    }
    return result;
  }

  private static int checkGroups(int numExperts, GroupLimit groups, int topk) {
    int numGroups = groups.numGroups();
    boolean divides = numExperts >= 1 && numExperts % numGroups == 0;
    int reachable = divides ? numExperts / numGroups * groups.topkGroups() : 0;
    if (topk < 1 || topk > BufferSpec.MAX_TOPK || topk > reachable) {
      throw new InvalidInputException(
          "gating does not fit the experts: numExperts="
              + numExperts
              + ", topk="
              + topk
              + ", numGroups="
              + numGroups
              + ", topkGroups="
              + groups.topkGroups());
    }
    return numExperts / numGroups;
  }

  private static void checkBias(float[] bias) {
    for (int expert = 0; expert < bias.length; expert++) {
      if (!Float.isFinite(bias[expert])) {
        throw new InvalidInputException(
            "bias is not finite: expert=" + expert + ", bias=" + bias[expert]);
      }
    }
  }

  private static int checkScores(float[] scores, int numExperts) {
    if (scores.length % numExperts != 0) {
      throw new InvalidInputException(
          "scores must be [tokens, numExperts]: length="
              + scores.length
              + ", numExperts="
              + numExperts);
    }
    for (int i = 0; i < scores.length; i++) {
      if (!(scores[i] < Float.POSITIVE_INFINITY)) {
        throw new InvalidInputException(
            "score is NaN or infinity: token=" + i / numExperts + ", expert=" + i % numExperts);
      }
    }
    return scores.length / numExperts;
  }

  private static GatingResult empty(int tokens, int topk) {
    return new GatingResult(topk, new long[tokens * topk], new float[tokens * topk]);
  }

  private static float twoBest(float[] scores, int from, int to) {
    float first = Float.NEGATIVE_INFINITY;
    float second = Float.NEGATIVE_INFINITY;
    for (int i = from; i < to; i++) {
      second = Math.max(second, Math.min(first, scores[i]));
      first = Math.max(first, scores[i]);
    }
    return to - from == 1 ? first : first + second;
  }

  private static void dropGroups(float[] scores, int[] kept, int perGroup) {
    boolean[] keep = new boolean[scores.length / perGroup];
    for (int group : kept) {
      keep[group] = true;
    }
    for (int e = 0; e < scores.length; e++) {
      scores[e] = keep[e / perGroup] ? scores[e] : Float.NEGATIVE_INFINITY;
    }
  }

  /// {@return the indices of the largest values, largest first}
  private static int[] best(float[] values, int count) {
    int[] picks = new int[count];
    boolean[] taken = new boolean[values.length];
    for (int n = 0; n < count; n++) {
      int best = -1;
      for (int i = 0; i < values.length; i++) {
        if (!taken[i] && (best < 0 || values[i] > values[best])) {
          best = i;
        }
      }
      taken[best] = true;
      picks[n] = best;
    }
    return picks;
  }

  private static void put(
      GatingResult result, int token, int[] picks, float[] scores, float scaling) {
    float sum = TINY;
    for (int pick : picks) {
      sum += scores[pick];
    }
    for (int k = 0; k < picks.length; k++) {
      result.topkIdx()[token * picks.length + k] = picks[k];
      result.topkWeights()[token * picks.length + k] = scores[picks[k]] / sum * scaling;
    }
  }
}
