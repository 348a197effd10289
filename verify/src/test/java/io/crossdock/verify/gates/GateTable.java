package io.crossdock.verify.gates;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/// Prints figures of benchmarks beside their gates. The gates are those of one H200. Times that the
/// memory decides are also told as they would be at the copy limit of that GPU: on one with slower
/// memory that says which share of it a call reaches, and no more.
///
/// Safe for any thread.
public final class GateTable {
  private static final String ROW = "%-12s %-30s %9s %9s %9s %9s  %s%n";

  /// Read and write, measured on the H200 that the gates come from.
  private static final double H200_COPY_GBPS = 4278;

  private GateTable() {}

  /// Prints the table; a missed gate is no error.
  ///
  /// @param arguments a file that holds an array of documents `crossdock.bench/1`
  public static void main(String... arguments) throws IOException {
    JsonNode documents = new JsonMapper().readTree(Files.readAllBytes(Path.of(arguments[0])));
    IO.print(text(documents, Gate.CUDA));
  }

  static String text(JsonNode documents, List<Gate> gates) {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(ROW, "run", "figure", "measured", "at H200", "gate", "aim", "verdict"));
    for (Gate gate : gates) {
      JsonNode document = find(documents, gate);
      double value = document == null ? Double.NaN : value(document, gate.figure());
      double scaled = document == null ? Double.NaN : scaled(document, gate.figure(), value);
      text.append(
          String.format(
              ROW,
              gate.run(),
              gate.figure().label,
              number(value),
              number(scaled),
              number(gate.gate()),
              number(gate.aim()),
              verdict(gate, value, scaled)));
    }
    return text.toString();
  }

  private static JsonNode find(JsonNode documents, Gate gate) {
    for (JsonNode document : documents) {
      if (document.path("engine").asText().equals("cuda")
          && fits(document, gate)
          && !document.path("l2").asText().equals("flushed")
          && document.path("ranks").asInt() == gate.ranks()
          && document.path("sms").asInt() == gate.sms()
          && document.path("dtype").asText().equals(gate.dtype())) {
        JsonNode part = gate.isLowLatency() ? size(document, gate.tokens()) : document;
        if (part != null) {
          return part;
        }
      }
    }
    return null;
  }

  /// Gates of low latency are those of combines that read outputs where experts wrote them.
  private static boolean fits(JsonNode document, Gate gate) {
    boolean lowLatency = document.path("mode").asText().equals("low-latency");
    boolean inPlace = document.path("placement").asText().endsWith("zero-copy");
    return gate.isLowLatency() ? lowLatency && inPlace : !lowLatency;
  }

  /// The part of a low-latency document with as many tokens, or null.
  private static JsonNode size(JsonNode document, int tokens) {
    for (JsonNode size : document.path("sizes")) {
      if (size.path("tokens").asInt() == tokens) {
        return size;
      }
    }
    return null;
  }

  private static double value(JsonNode document, Gate.Figure figure) {
    JsonNode placements = document.path("placements");
    JsonNode dispatch = placements.path("dispatch_cached");
    JsonNode combine = placements.path("combine_zero_copy");
    return switch (figure) {
      case DISPATCH -> number(dispatch, "us_median");
      case UNCACHED ->
          number(placements.path("dispatch_with_layout"), "us_median")
              - number(dispatch, "us_median");
      case COMBINE -> number(combine, "us_median");
      case DISPATCH_RATE -> number(dispatch, "gbps_nvl");
      case COMBINE_RATE -> number(combine, "gbps_nvl");
      case LL_DISPATCH -> number(document.path("dispatch"), "us_median");
      case LL_COMBINE -> number(document.path("combine"), "us_median");
      case LL_DISPATCH_SEND -> number(document.path("dispatch"), "us_send_median");
      case LL_DISPATCH_RECEIVE -> number(document.path("dispatch"), "us_receive_median");
      case LL_COMBINE_SEND -> number(document.path("combine"), "us_send_median");
      case LL_COMBINE_RECEIVE -> number(document.path("combine"), "us_receive_median");
    };
  }

  /// A time of a call that moves as many bytes a second as the memory lets it, at the memory of the
  /// H200; NaN for other figures.
  private static double scaled(JsonNode document, Gate.Figure figure, double value) {
    String limit =
        switch (figure) {
          case DISPATCH -> "copy_gbps";
          case COMBINE -> "copy_combine_gbps";
          default -> "";
        };
    return value * number(document.path("limit"), limit) / H200_COPY_GBPS;
  }

  private static double number(JsonNode phase, String field) {
    return phase.path(field).asDouble(Double.NaN);
  }

  private static String number(double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.1f", value);
  }

  private static String verdict(Gate gate, double value, double scaled) {
    if (Double.isNaN(value)) {
      return "not measured";
    }
    if (gate.holds(value)) {
      return "holds";
    }
    return !Double.isNaN(scaled) && gate.holds(scaled) ? "holds as a share of memory" : "MISSED";
  }
}
