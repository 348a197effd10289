package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/// Pictures of overlap traces, from the command line to the bars.
@Timeout(120)
class TraceSvgTest {
  private static final String HAND_MADE =
      """
      {"traceEvents": [
        {"name": "process_name", "ph": "M", "pid": 1, "tid": 0, "args": {"name": "without <hooks>"}},
        {"name": "attention", "ph": "X", "pid": 1, "tid": 0, "ts": 0, "dur": 500,
         "args": {"batch": 0}},
        {"name": "dispatch", "ph": "X", "pid": 1, "tid": 0, "ts": 500, "dur": 250,
         "args": {"batch": 0}},
        {"name": "process_name", "ph": "M", "pid": 2, "tid": 0, "args": {"name": "with hooks"}},
        {"name": "experts", "ph": "X", "pid": 2, "tid": 3, "ts": 100, "dur": 900,
         "args": {"batch": 1}}]}
      """;

  @TempDir private Path folder;

  private Document draw(Path trace) throws Exception {
    Path picture = folder.resolve("picture.svg");
    CommandRun run = CommandRun.of("trace-svg", trace.toString(), picture.toString());
    assertThat(run.code()).as(run.err()).isZero();
    return DocumentBuilderFactory.newDefaultInstance().newDocumentBuilder().parse(picture.toFile());
  }

  private Path write(String trace) throws Exception {
    return Files.writeString(folder.resolve("trace.json"), trace);
  }

  /// The rectangles of stages, which alone have a title.
  private static List<Element> bars(Document picture) {
    List<Element> bars = new ArrayList<>();
    NodeList rectangles = picture.getElementsByTagName("rect");
    for (int i = 0; i < rectangles.getLength(); i++) {
      Element rectangle = (Element) rectangles.item(i);
      if (rectangle.getElementsByTagName("title").getLength() > 0) {
        bars.add(rectangle);
      }
    }
    return bars;
  }

  private static double number(Element bar, String name) {
    return Double.parseDouble(bar.getAttribute(name));
  }

  @Test
  void barsAreAsLongAsTheirStages() throws Exception {
    Document picture = draw(write(HAND_MADE));
    List<Element> bars = bars(picture);
    assertThat(bars).hasSize(3);
    double pixelsOfMicro = number(bars.get(0), "width") / 500;
    assertThat(number(bars.get(1), "width")).isCloseTo(250 * pixelsOfMicro, within(0.2));
    assertThat(number(bars.get(1), "x") - number(bars.get(0), "x"))
        .isCloseTo(500 * pixelsOfMicro, within(0.2));
    assertThat(number(bars.get(2), "width")).isCloseTo(900 * pixelsOfMicro, within(0.2));
    assertThat(number(bars.get(2), "x") + number(bars.get(2), "width"))
        .isLessThan(number(picture.getDocumentElement(), "width"));
    assertThat(bars.get(1).getTextContent()).isEqualTo("dispatch, batch 0: 250.0 us");
    assertThat(bars.get(0).getAttribute("fill")).isNotEqualTo(bars.get(1).getAttribute("fill"));
    assertThat(picture.getDocumentElement().getTextContent())
        .contains("without <hooks>: 750 us, communication exposed for 250 us")
        .contains("with hooks: 1000 us, communication exposed for 100 us")
        .contains("rank 3");
  }

  @Test
  void theTraceOfABenchmarkIsDrawnWhole() throws Exception {
    Path trace = folder.resolve("trace.json");
    CommandRun run =
        CommandRun.of(
            CommandRun.split(
                "bench low-latency --engine host --ranks 2 --launch threads --hidden 256 --experts 4"
                    + " --topk 2 --iterations 2 --tokens 2 --overlap --compute 50 --trace "
                    + trace));
    assertThat(run.code()).as(run.err()).isZero();
    List<Element> bars = bars(draw(trace));
    // Two ranks, two batches; four stages without hooks, six with.
    assertThat(bars).hasSize(2 * 2 * (4 + 6));
    assertThat(bars).allMatch(bar -> number(bar, "width") > 0);
  }

  @ParameterizedTest
  @ValueSource(strings = {"{", "{}", "[]", "{\"traceEvents\": [{\"ph\": \"M\", \"pid\": 1}]}"})
  void whatIsNoTraceIsBadInput(String text) throws Exception {
    Path picture = folder.resolve("picture.svg");
    CommandRun run = CommandRun.of("trace-svg", write(text).toString(), picture.toString());
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("trace ");
    assertThat(picture).doesNotExist();
  }

  @Test
  void aMissingFileIsBadInput() {
    CommandRun run = CommandRun.of("trace-svg", folder.resolve("none").toString(), "x.svg");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("trace cannot be read: file=");
  }
}
