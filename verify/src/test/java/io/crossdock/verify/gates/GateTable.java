package io.crossdock.verify.gates;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/// Prints figures of benchmarks beside their gates. Only one H200 decides a gate: on another GPU
/// the table informs.
///
/// Safe for any thread.
public final class GateTable {
  private static final String ROW = "%-10s %-30s %9s %9s %9s  %s%n";

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
    text.append(String.format(ROW, "run", "figure", "measured", "gate", "aim", "verdict"));
    for (Gate gate : gates) {
      JsonNode document = find(documents, gate);
      double value = document == null ? Double.NaN : value(document, gate.figure());
      text.append(
          String.format(
              ROW,
              gate.run(),
              gate.figure().label,
              number(value),
              number(gate.gate()),
              number(gate.aim()),
              verdict(gate, value)));
    }
    return text.toString();
  }

  private static JsonNode find(JsonNode documents, Gate gate) {
    for (JsonNode document : documents) {
      if (document.path("engine").asText().equals("cuda")
          && document.path("ranks").asInt() == gate.ranks()
          && document.path("sms").asInt() == gate.sms()
          && document.path("dtype").asText().equals(gate.dtype())) {
        return document;
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
    };
  }

  private static double number(JsonNode phase, String field) {
    return phase.path(field).asDouble(Double.NaN);
  }

  private static String number(double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.1f", value);
  }

  private static String verdict(Gate gate, double value) {
    if (Double.isNaN(value)) {
      return "not measured";
    }
    return gate.holds(value) ? "holds" : "MISSED";
  }
}
