package io.crossdock.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.crossdock.core.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// Draws what an overlap benchmark recorded.
///
/// Confined to one thread.
@Command(
    name = "trace-svg",
    mixinStandardHelpOptions = true,
    description = "Draws the trace of bench low-latency --overlap --trace as an SVG picture.")
final class TraceSvgCommand implements Callable<Integer> {
  @Parameters(index = "0", paramLabel = "TRACE", description = "Trace events (JSON).")
  private Path trace;

  @Parameters(index = "1", paramLabel = "PICTURE", description = "Where the SVG is written.")
  private Path picture;

  @Override
  public Integer call() {
    String svg = OverlapPicture.of(read());
    try {
      Files.writeString(picture, svg);
    } catch (IOException e) {
      throw new InvalidInputException(
          "picture cannot be written: file=" + picture + ", cause=" + e);
    }
    return ExitCode.DONE.code;
  }

  private JsonNode read() {
    try {
      return Json.mapper().readTree(Files.readAllBytes(trace));
    } catch (IOException e) {
      throw new InvalidInputException("trace cannot be read: file=" + trace + ", cause=" + e);
    }
  }
}
