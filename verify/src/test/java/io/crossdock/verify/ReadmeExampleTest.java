package io.crossdock.verify;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The README's examples are Java that compiles against this build.
class ReadmeExampleTest {
  private static final Path README = Path.of("..", "README.md");
  private static final Pattern JAVA_BLOCK = Pattern.compile("(?s)\n```java\n(.*?)\n```\n");

  @TempDir private Path classes;

  @Test
  void theExamplesCompile() throws IOException {
    List<String> blocks =
        JAVA_BLOCK
            .matcher(Files.readString(README))
            .results()
            .map(block -> block.group(1))
            .toList();

    assertThat(blocks).as("Java blocks of README.md").hasSize(2);
    for (String block : blocks) {
      assertThat(compile(block)).isEmpty();
    }
  }

  private List<Diagnostic<? extends JavaFileObject>> compile(String source) {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    DiagnosticCollector<JavaFileObject> problems = new DiagnosticCollector<>();
    List<String> options =
        List.of(
            "--release=25",
            "-proc:none",
            "-Xlint:all,-path",
            "-cp",
            System.getProperty("java.class.path"),
            "-d",
            classes.toString());
    compiler.getTask(null, null, problems, options, null, List.of(new Example(source))).call();
    return problems.getDiagnostics();
  }

  /// A source file in memory, named as the README says.
  private static final class Example extends SimpleJavaFileObject {
    private final String source;

    Example(String source) {
      super(URI.create("string:///Example.java"), Kind.SOURCE);
      this.source = source;
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return source;
    }
  }
}
