import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;

/// Adds up the test reports below a folder: skipped tests with their reason, one line a reason, then
/// one line of counts. Exit code 1 if a test failed or if no test ran, so that an empty run is never a pass.
///
/// Run from source: `java tools/TestCounts.java FOLDER`.
final class TestCounts {
  private static final String EXCEPTION = "^[\\w.]+(Exception|Error): (Assumption failed: )?";

  private final XMLInputFactory xml = XMLInputFactory.newDefaultFactory();
  private final Map<String, List<String>> skips = new TreeMap<>();
  private int run;
  private int failures;
  private int errors;

  private TestCounts() {
    xml.setProperty(XMLInputFactory.SUPPORT_DTD, false);
  }

  public static void main(String[] args) throws IOException, XMLStreamException {
    TestCounts counts = new TestCounts();
    for (Path report : reportsBelow(Path.of(args[0]))) {
      counts.add(report);
    }
    System.exit(counts.print() ? 0 : 1);
  }

  /// A module's reports lie in `MODULE/target/surefire-reports`; `verify` holds modules too.
  private static List<Path> reportsBelow(Path root) throws IOException {
    List<Path> reports = new ArrayList<>();
    for (Path parent : List.of(root, root.resolve("verify"))) {
      try (Stream<Path> modules = Files.list(parent)) {
        for (Path module : modules.sorted().toList()) {
          addReports(module.resolve("target/surefire-reports"), reports);
        }
      }
    }
    return reports;
  }

  private static void addReports(Path folder, List<Path> reports) throws IOException {
    if (Files.isDirectory(folder)) {
      try (Stream<Path> files = Files.list(folder)) {
        files.filter(TestCounts::isReport).sorted().forEach(reports::add);
      }
    }
  }

  private static boolean isReport(Path file) {
    String name = file.getFileName().toString();
    return name.startsWith("TEST-") && name.endsWith(".xml");
  }

  private void add(Path report) throws IOException, XMLStreamException {
    try (InputStream in = Files.newInputStream(report)) {
      XMLStreamReader reader = xml.createXMLStreamReader(in);
      String test = "";
      while (reader.hasNext()) {
        if (reader.next() != XMLStreamConstants.START_ELEMENT) {
          continue;
        }
        switch (reader.getLocalName()) {
          case "testcase" -> {
            run++;
            test = attribute(reader, "classname") + "." + attribute(reader, "name");
          }
          case "failure" -> failures++;
          case "error" -> errors++;
          case "skipped" ->
              skips.computeIfAbsent(reason(reader), _ -> new ArrayList<>()).add(test);
          default -> {}
        }
      }
    }
  }

  private static String attribute(XMLStreamReader reader, String name) {
    String value = reader.getAttributeValue(null, name);
    return value == null ? "" : value;
  }

  /// A disabled test carries a message, an assumption that did not hold a stack trace.
  private static String reason(XMLStreamReader reader) throws XMLStreamException {
    String message = attribute(reader, "message");
    String reason = message.isBlank() ? reader.getElementText() : message;
    return reason.strip().lines().findFirst().orElse("no reason given").replaceFirst(EXCEPTION, "");
  }

  private boolean print() {
    int skipped = skips.values().stream().mapToInt(List::size).sum();
    skips.forEach((reason, tests) -> System.out.println(line(reason, tests)));
    if (run == skipped) {
      System.out.println("no test ran");
    }
    System.out.printf(
        "Tests run: %d, Failures: %d, Errors: %d, Skipped: %d%n", run, failures, errors, skipped);
    return failures == 0 && errors == 0 && run > skipped;
  }

  private static String line(String reason, List<String> tests) {
    String who = tests.size() == 1 ? tests.getFirst() : tests.size() + " tests";
    return "skipped: " + who + ": " + reason;
  }
}
