package io.crossdock.cli;

import io.crossdock.core.InvalidInputException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/// A benchmark as one HTML page that needs nothing else.
///
/// Safe for any thread.
final class BenchHtml {
  private static final int BAR_HEIGHT = 28;
  private static final int CHART_WIDTH = 480;
  private static final int LABEL_WIDTH = 240;

  private BenchHtml() {}

  static void write(Path file, String page) {
    try {
      Files.writeString(file, page);
    } catch (IOException e) {
      throw new InvalidInputException("report cannot be written: file=" + file + ", cause=" + e);
    }
  }

  /// {@return a page of a low-latency benchmark: its table and its document}
  static String page(LowLatencySummary summary, LowLatencyJson document) {
    StringWriter table = new StringWriter();
    LowLatencyTable.print(summary, new PrintWriter(table));
    return page("", table.toString(), Json.text(document.toMap()));
  }

  static String page(Summary summary, BenchJson document) {
    StringWriter table = new StringWriter();
    BenchTable.print(summary, new PrintWriter(table));
    String chart = "<h2>Rate against the copy limit of the same run</h2>\n" + chart(summary);
    return page(chart, table.toString(), Json.text(document.toMap()));
  }

  private static String page(String chart, String table, String document) {
    return """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8"><title>Crossdock benchmark</title>
    <style>body{font:16px sans-serif;margin:2em;max-width:60em}pre{overflow:auto}</style></head>
    <body><h1>Crossdock benchmark</h1>
    %s
    <h2>Figures</h2>
    <pre>%s</pre>
    <h2>Document</h2>
    <pre>%s</pre>
    </body></html>
    """
        .formatted(chart, escape(table), escape(document));
  }

  private static String chart(Summary summary) {
    Map<String, Summary.Phase> phases = new LinkedHashMap<>();
    for (BenchPhase phase : summary.phases()) {
      if (phase != BenchPhase.DISPATCH_WITH_LAYOUT || summary.onGpu()) {
        phases.put(phase.label, summary.phase(phase));
      }
    }
    double widest = phases.values().stream().mapToDouble(Summary.Phase::ratio).max().orElse(1);
    StringBuilder svg = new StringBuilder();
    svg.append(
        String.format(
            "<svg role=\"img\" aria-label=\"ratios\" width=\"%d\" height=\"%d\">",
            LABEL_WIDTH + CHART_WIDTH + 80, phases.size() * BAR_HEIGHT));
    int y = 0;
    for (Map.Entry<String, Summary.Phase> phase : phases.entrySet()) {
      double ratio = phase.getValue().ratio();
      double width = ratio / Math.max(widest, 1e-9) * CHART_WIDTH;
      svg.append(
          String.format(
              Locale.ROOT,
              "<text x=\"0\" y=\"%d\">%s</text>"
                  + "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"18\" fill=\"#3465a4\"/>"
                  + "<text x=\"%.1f\" y=\"%d\">%.2f</text>",
              y + 16,
              phase.getKey(),
              LABEL_WIDTH,
              y + 2,
              width,
              LABEL_WIDTH + width + 8,
              y + 16,
              ratio));
      y += BAR_HEIGHT;
    }
    return svg.append("</svg>").toString();
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
