package io.crossdock.ucx;

import io.crossdock.ucx.binding.Config;
import io.crossdock.ucx.binding.Context;
import io.crossdock.ucx.binding.Worker;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/// What UCX was told for a mode, and what it has found.
///
/// Safe for any thread.
final class Details {
  private static final List<String> SHOWN =
      List.of(
          "TLS",
          "NET_DEVICES",
          "IB_SL",
          "IB_TRAFFIC_CLASS",
          "IB_AR_ENABLE",
          "IB_NUM_PATHS",
          "MAX_EAGER_LANES",
          "MAX_RMA_LANES",
          "FENCE_MODE",
          "ZCOPY_THRESH",
          "RNDV_THRESH");

  /// What nobody set; networks have values of their own for it.
  private static final String DEFAULT = "default";

  private static final String VARIABLE = "UCX_";

  private Details() {}

  static List<String> of(ModeSettings settings) {
    List<String> lines = new ArrayList<>();
    PutsKind kind = settings.puts();
    try (Config config = settings.open(kind)) {
      lines.add(
          settings.word()
              + ": puts="
              + kind.word()
              + ", prefix of the environment="
              + settings.prefix()
              + "_UCX_");
      lines.add(settings.word() + ": " + String.join(", ", values(settings, kind, config.text())));
      try (Context context = Context.open(config, 1, kind.isRma())) {
        lines.add(settings.word() + ": networks=" + NetworkNames.of(context.text()));
        lines.add(settings.word() + ": segmentBytes=" + segmentBytes(context));
      }
    }
    return lines;
  }

  /// What the networks were made with, so what they say of it.
  private static long segmentBytes(Context context) {
    try (Worker worker = Worker.create(context)) {
      return worker.segmentBytes();
    }
  }

  /// UCX prints its settings as `UCX_KEY=value`, and those it was given for networks without the
  /// prefix.
  private static List<String> values(ModeSettings settings, PutsKind kind, String text) {
    Map<String, String> printed = new TreeMap<>();
    for (String line : text.split("\n", -1)) {
      int end = line.indexOf('=');
      if (end > 0) {
        int start = line.startsWith(VARIABLE) ? VARIABLE.length() : 0;
        printed.put(line.substring(start, end), line.substring(end + 1));
      }
    }
    Set<String> keys = new LinkedHashSet<>(SHOWN);
    keys.addAll(settings.chosen(kind).keySet());
    keys.addAll(settings.environment().keySet());
    keys.addAll(settings.properties().keySet());
    List<String> values = new ArrayList<>();
    for (String key : keys) {
      String value = printed.get(key);
      values.add(key + "=" + (value != null ? value : fromEnvironment(settings, key)));
    }
    return values;
  }

  /// Settings of networks in the environment are read by the networks alone.
  private static String fromEnvironment(ModeSettings settings, String key) {
    String own = System.getenv(settings.prefix() + "_" + VARIABLE + key);
    String general = System.getenv(VARIABLE + key);
    if (own != null) {
      return own;
    }
    return general != null ? general : DEFAULT;
  }
}
