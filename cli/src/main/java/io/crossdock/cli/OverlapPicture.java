package io.crossdock.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.crossdock.core.InvalidInputException;
import java.util.ArrayList;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/// The trace of an overlap benchmark as one SVG picture: a panel for each variant, a track for each
/// rank, all on one time axis.
///
/// Safe for any thread.
final class OverlapPicture {
  private static final int WIDTH = 960;
  private static final int LEFT = 64;
  private static final int RIGHT = 20;
  private static final int TITLE_HEIGHT = 30;
  private static final int TRACK_HEIGHT = 22;
  private static final int BAR_HEIGHT = 18;
  private static final int AXIS_HEIGHT = 30;
  private static final int LEGEND_HEIGHT = 26;
  private static final int LEGEND_STEP = 210;

  /// Most lines of the axis.
  private static final int TICKS = 8;

  /// Narrower bars have no room for their name.
  private static final double PIXELS_OF_LETTER = 6.5;

  private static final String STYLE =
      "text{font:12px sans-serif;fill:#222}.n{fill:#fff;font-size:11px}.t{font-weight:bold}"
          + ".a{stroke:#ccc;stroke-width:1}";

  private final Formatter svg = new Formatter(Locale.ROOT);
  private final Map<Integer, Panel> panels = new TreeMap<>();
  private double longest;

  /// What a stage does.
  private enum Kind {
    COMPUTE("computing", "#4e79a7", "#76a7d0"),
    DISPATCH("dispatch", "#d9730d", "#f0a150"),
    COMBINE("combine", "#b5364a", "#dc6f80");

    private final String label;
    private final String first;
    private final String second;

    Kind(String label, String first, String second) {
      this.label = label;
      this.first = first;
      this.second = second;
    }

    static Kind of(String stage) {
      if (stage.startsWith("dispatch")) {
        return DISPATCH;
      }
      return stage.startsWith("combine") ? COMBINE : COMPUTE;
    }

    private String color(int batch) {
      return batch == 0 ? first : second;
    }
  }

  /// A stage of a rank.
  private record Bar(String name, int batch, double start, double micros) {
    double end() {
      return start + micros;
    }
  }

  /// One variant.
  private static final class Panel {
    private String name = "";
    private final Map<Integer, List<Bar>> tracks = new TreeMap<>();

    double total() {
      return tracks.values().stream().flatMap(List::stream).mapToDouble(Bar::end).max().orElse(0);
    }

    /// Of the rank that computes least.
    double exposed() {
      return tracks.values().stream().mapToDouble(Panel::exposed).max().orElse(0);
    }

    private static double exposed(List<Bar> track) {
      double end = 0;
      double computing = 0;
      for (Bar bar : track) {
        end = Math.max(end, bar.end());
        computing += Kind.of(bar.name) == Kind.COMPUTE ? bar.micros : 0;
      }
      return end - computing;
    }
  }

  private OverlapPicture(JsonNode trace) {
    for (JsonNode event : trace.path("traceEvents")) {
      Panel panel = panels.computeIfAbsent(event.path("pid").asInt(), _ -> new Panel());
      String kind = event.path("ph").asText();
      if (kind.equals("X")) {
        Bar bar =
            new Bar(
                event.path("name").asText(),
                event.path("args").path("batch").asInt(),
                event.path("ts").asDouble(),
                event.path("dur").asDouble());
        panel.tracks.computeIfAbsent(event.path("tid").asInt(), _ -> new ArrayList<>()).add(bar);
        longest = Math.max(longest, bar.end());
      } else if (event.path("name").asText().equals("process_name")) {
        panel.name = event.path("args").path("name").asText();
      }
    }
    if (!(longest > 0) || panels.values().stream().anyMatch(panel -> panel.tracks.isEmpty())) {
      throw new InvalidInputException(
          "trace has no stages: variants=" + panels.size() + ", remedy=bench --overlap --trace");
    }
  }

  /// {@return the picture}
  ///
  /// @param trace as [OverlapTrace] makes it
  /// @throws InvalidInputException if it has no stages
  static String of(JsonNode trace) {
    return new OverlapPicture(trace).draw();
  }

  private String draw() {
    int tracks = panels.values().stream().mapToInt(panel -> panel.tracks.size()).sum();
    int plot = panels.size() * TITLE_HEIGHT + tracks * TRACK_HEIGHT;
    int height = plot + AXIS_HEIGHT + LEGEND_HEIGHT;
    svg.format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\""
            + " role=\"img\" aria-label=\"stages of two micro-batches\">%n",
        WIDTH, height, WIDTH, height);
    svg.format("<style>%s</style>%n", STYLE);
    svg.format("<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>%n", WIDTH, height);
    axis(plot);
    int y = 0;
    for (Panel panel : panels.values()) {
      y = draw(panel, y);
    }
    legend(plot + AXIS_HEIGHT);
    svg.format("</svg>%n");
    return svg.toString();
  }

  private int draw(Panel panel, int top) {
    svg.format(
        "<text class=\"t\" x=\"%d\" y=\"%d\">%s: %.0f us, communication exposed for %.0f us</text>%n",
        LEFT, top + 20, escape(panel.name), panel.total(), panel.exposed());
    int y = top + TITLE_HEIGHT;
    for (Map.Entry<Integer, List<Bar>> track : panel.tracks.entrySet()) {
      svg.format("<text x=\"8\" y=\"%d\">rank %d</text>%n", y + 14, track.getKey());
      for (Bar bar : track.getValue()) {
        draw(bar, y);
      }
      y += TRACK_HEIGHT;
    }
    return y;
  }

  private void draw(Bar bar, int y) {
    String name = escape(bar.name);
    double width = Math.max(0.5, x(bar.end()) - x(bar.start));
    svg.format(
        "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\">"
            + "<title>%s, batch %d: %.1f us</title></rect>%n",
        x(bar.start),
        y,
        width,
        BAR_HEIGHT,
        Kind.of(bar.name).color(bar.batch),
        name,
        bar.batch,
        bar.micros);
    if (bar.name.length() * PIXELS_OF_LETTER < width) {
      svg.format(
          "<text class=\"n\" x=\"%.1f\" y=\"%d\">%s</text>%n", x(bar.start) + 4, y + 13, name);
    }
  }

  private double x(double micros) {
    return LEFT + micros / longest * (WIDTH - LEFT - RIGHT);
  }

  private void axis(int bottom) {
    double step = niceStep(longest / TICKS);
    for (double at = 0; at <= longest; at += step) {
      svg.format(
          "<line class=\"a\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>%n",
          x(at), TITLE_HEIGHT, x(at), bottom + 4);
      String unit = at + step > longest ? " us" : "";
      svg.format(
          "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f%s</text>%n",
          x(at), bottom + 18, at, unit);
    }
  }

  /// 1, 2 or 5 times a power of ten, at least 1.
  private static double niceStep(double least) {
    double power = Math.pow(10, Math.floor(Math.log10(Math.max(1, least))));
    for (double factor : new double[] {1, 2, 5}) {
      if (factor * power >= least) {
        return factor * power;
      }
    }
    return 10 * power;
  }

  private void legend(int y) {
    int x = LEFT;
    for (Kind kind : Kind.values()) {
      for (int batch = 0; batch < 2; batch++) {
        svg.format(
            "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"14\" fill=\"%s\"/>%n",
            x + 18 * batch, y, kind.color(batch));
      }
      svg.format("<text x=\"%d\" y=\"%d\">%s (batch 0, 1)</text>%n", x + 40, y + 12, kind.label);
      x += LEGEND_STEP;
    }
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
