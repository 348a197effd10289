package io.crossdock.ucx;

import io.crossdock.ucx.binding.Config;
import io.crossdock.ucx.binding.Context;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/// What UCX was told for a mode, and what it has found.
///
/// Safe for any thread.
final class Details {
  private static final Set<String> SHOWN =
      Set.of(
          "TLS",
          "NET_DEVICES",
          "ZCOPY_THRESH",
          "RNDV_THRESH",
          "FENCE_MODE",
          "MAX_EAGER_RAILS",
          "MAX_EAGER_LANES",
          "MAX_RMA_RAILS",
          "MAX_RMA_LANES");

  private static final String VARIABLE = "UCX_";

  private Details() {}

  static List<String> of(ModeSettings settings) {
    List<String> lines = new ArrayList<>();
    try (Config config = settings.open()) {
      lines.add(
          settings.word()
              + ": puts="
              + settings.puts().word()
              + ", prefix of the environment="
              + settings.prefix()
              + "_UCX_");
      lines.add(settings.word() + ": " + String.join(", ", values(settings, config.text())));
      try (Context context = Context.open(config, 1, settings.puts().isRma())) {
        lines.add(settings.word() + ": networks=" + String.join(" ", networks(context.text())));
      }
    }
    return lines;
  }

  /// Settings of UCX itself are asked for; those of single networks are what was given.
  private static List<String> values(ModeSettings settings, String text) {
    Map<String, String> values = new TreeMap<>(settings.chosen());
    values.replaceAll((key, value) -> given(settings, key, value));
    values.putAll(settings.properties());
    Map<String, String> asked = new TreeMap<>();
    for (String line : text.split("\n", -1)) {
      int end = line.indexOf('=');
      if (line.startsWith(VARIABLE) && end > 0) {
        asked.put(line.substring(VARIABLE.length(), end), line.substring(end + 1));
      }
    }
    for (String key : SHOWN) {
      values.remove(key);
      if (asked.containsKey(key)) {
        values.put(key, asked.get(key));
      }
    }
    return values.entrySet().stream().map(Map.Entry::toString).toList();
  }

  private static String given(ModeSettings settings, String key, String chosen) {
    String own = System.getenv(settings.prefix() + "_" + VARIABLE + key);
    String general = System.getenv(VARIABLE + key);
    if (own != null) {
      return own;
    }
    return general != null ? general : chosen;
  }

  /// Words like `tcp/eth0` of the lines of resources.
  private static List<String> networks(String text) {
    List<String> found = new ArrayList<>();
    for (String line : text.split("\n", -1)) {
      if (!line.contains("resource ")) {
        continue;
      }
      for (String word : line.trim().split("\\s+", -1)) {
        if (word.matches("\\w+/[\\w:.-]+")) {
          found.add(word);
        }
      }
    }
    return found;
  }
}
