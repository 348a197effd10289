import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// Holds CUDA sources to their size budgets: lines of a file, of a kernel's body and of every other
/// function's, columns of a line. Prints what is over; exit code 1 if anything is.
///
/// Run from source: `java tools/CudaBudgets.java FOLDER`.
final class CudaBudgets {
  private static final int FILE_LINES = 600;
  private static final int KERNEL_LINES = 120;
  private static final int FUNCTION_LINES = 60;
  private static final int COLUMNS = 110;

  private static final Pattern IGNORED =
      Pattern.compile(
          "//[^\n]*|/\\*.*?\\*/|\"(?:\\\\.|[^\"\\\\\n])*\"|'(?:\\\\.|[^'\\\\\n])+'"
              + "|^[ \\t]*#(?:[^\n]*\\\\\n)*[^\n]*",
          Pattern.DOTALL | Pattern.MULTILINE);
  private static final Pattern CALL = Pattern.compile("([\\w:~]+)\\s*\\(");
  private static final Set<String> NOT_NAMES =
      Set.of("__launch_bounds__", "__align__", "alignas", "decltype", "requires", "noexcept");

  private final Path file;
  private final List<String> findings = new ArrayList<>();

  private CudaBudgets(Path file) {
    this.file = file;
  }

  public static void main(String[] args) throws IOException {
    int functions = 0;
    List<String> findings = new ArrayList<>();
    for (Path file : sourcesBelow(Path.of(args[0]))) {
      CudaBudgets budgets = new CudaBudgets(file);
      functions += budgets.check(Files.readString(file));
      findings.addAll(budgets.findings);
    }
    findings.forEach(System.out::println);
    System.out.printf("CUDA functions: %d, over budget: %d%n", functions, findings.size());
    System.exit(findings.isEmpty() ? 0 : 1);
  }

  private static List<Path> sourcesBelow(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(f -> f.toString().matches(".*\\.cuh?")).sorted().toList();
    }
  }

  /// Answers how many functions there are.
  private int check(String text) {
    List<String> lines = text.lines().toList();
    limit("file", lines.size(), FILE_LINES, 1);
    for (int line = 0; line < lines.size(); line++) {
      limit("columns", lines.get(line).length(), COLUMNS, line + 1);
    }
    return checkFunctions(blank(text));
  }

  /// Comments, literals and preprocessor lines become spaces, so that only code has braces.
  private static String blank(String text) {
    return IGNORED.matcher(text).replaceAll(match -> match.group().replaceAll("[^\n]", " "));
  }

  private int checkFunctions(String code) {
    int functions = 0;
    int start = 0;
    for (int i = 0; i < code.length(); i++) {
      char c = code.charAt(i);
      if (c == '{') {
        String head = code.substring(start, i);
        String name = functionName(head);
        if (!name.isEmpty()) {
          int end = closingBrace(code, i);
          boolean kernel = head.contains("__global__");
          int limit = kernel ? KERNEL_LINES : FUNCTION_LINES;
          limit((kernel ? "kernel " : "function ") + name, lines(code, i, end), limit, line(code, i));
          functions++;
          i = end;
        }
      }
      if (c == '{' || c == '}' || c == ';') {
        start = i + 1;
      }
    }
    return functions;
  }

  /// The name before the first parameter list; none for namespaces, types and initialisers.
  private static String functionName(String head) {
    String flat = head.strip();
    if (flat.endsWith("=") || flat.matches("(?s).*\\b(struct|class|enum|union|namespace)\\b[^()]*")) {
      return "";
    }
    Matcher call = CALL.matcher(flat);
    while (call.find()) {
      if (!NOT_NAMES.contains(call.group(1))) {
        return call.group(1);
      }
    }
    return "";
  }

  private static int closingBrace(String code, int open) {
    int depth = 0;
    for (int i = open; i < code.length(); i++) {
      char c = code.charAt(i);
      depth += c == '{' ? 1 : c == '}' ? -1 : 0;
      if (depth == 0) {
        return i;
      }
    }
    throw new IllegalStateException("brace is not closed: line=" + line(code, open));
  }

  private static int lines(String code, int from, int to) {
    return line(code, to) - line(code, from) + 1;
  }

  private static int line(String code, int at) {
    return 1 + (int) code.substring(0, at).chars().filter(c -> c == '\n').count();
  }

  private void limit(String what, int size, int limit, int line) {
    if (size > limit) {
      findings.add(file + ":" + line + ": " + what + " is over budget: size=" + size + ", limit=" + limit);
    }
  }
}
