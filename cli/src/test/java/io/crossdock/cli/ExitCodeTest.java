package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.cli.safetensors.SafetensorsWriter;
import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CapacityException;
import io.crossdock.core.CollectiveMismatchException;
import io.crossdock.core.ConcurrentUseException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LeaseException;
import io.crossdock.core.MaskedException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.RefusedException;
import io.crossdock.core.TransportUnavailableException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.GroupAbortedException;
import io.crossdock.core.group.GroupClosedException;
import io.crossdock.core.group.GroupConfigException;
import io.crossdock.core.group.GroupInterruptedException;
import io.crossdock.core.group.GroupSecretException;
import io.crossdock.core.group.GroupVersionException;
import io.crossdock.core.group.PeerLostException;
import io.crossdock.core.group.PeerMissingException;
import io.crossdock.ffi.NativeCallException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ExitCodeTest {
  static Stream<Throwable> badInput() {
    return Stream.of(
        new InvalidInputException("x"),
        new RefusedException(1, "x"),
        new CapacityException("x"),
        new CollectiveMismatchException("x"),
        new ConcurrentUseException("x"),
        new LeaseException("x"),
        new WindowAllocationException("x"),
        new GroupConfigException("x"),
        new CrossdockException("x"),
        safetensors());
  }

  private static Throwable safetensors() {
    try {
      new SafetensorsWriter().add("x", "U8", List.of(1L), MemorySegment.NULL);
      throw new AssertionError("a tensor without its bytes was taken");
    } catch (CrossdockException e) {
      return e;
    }
  }

  @ParameterizedTest
  @MethodSource
  void badInput(Throwable failure) {
    assertThat(ExitCode.of(failure)).isEqualTo(ExitCode.BAD_INPUT);
  }

  static Stream<Throwable> peerFailed() {
    return Stream.of(
        new WaitTimeoutException(new WaitTimeoutException.Facts(0, 1, "ENTER", 2, 1, 5)),
        new WaitTimeoutException("x", new WaitTimeoutException.Facts(0, -1, "REPORT", 2, 1, 5)),
        new NativeCallException("x", "x", 700, "x"),
        new PeerLeftException("x"),
        new AbortedException(1, "x"),
        new BufferClosedException("x"),
        new MaskedException(1, 2),
        new GroupAbortedException("x", 1, "x"),
        new GroupClosedException("x"),
        new GroupInterruptedException("x"),
        new GroupSecretException("x"),
        new GroupVersionException("x"),
        new PeerLostException("x", 1),
        new PeerMissingException("x", List.of(1)),
        new IllegalStateException("x"),
        new OutOfMemoryError("x"));
  }

  @ParameterizedTest
  @MethodSource
  void peerFailed(Throwable failure) {
    assertThat(ExitCode.of(failure)).isEqualTo(ExitCode.PEER_FAILED);
  }

  @Test
  void theOthersHaveTheirOwn() {
    assertThat(ExitCode.of(new VerificationException("x"))).isEqualTo(ExitCode.NOT_VERIFIED);
    assertThat(ExitCode.of(new EngineUnavailableException("cuda", List.of("x"))))
        .isEqualTo(ExitCode.NOT_AVAILABLE);
    assertThat(ExitCode.of(new TransportUnavailableException(0, 1, "x")))
        .isEqualTo(ExitCode.NOT_AVAILABLE);
  }

  @Test
  void aWorkersFailureKeepsTheWorkersCode() {
    for (ExitCode code : ExitCode.values()) {
      WorkerFailure failure = new WorkerFailure("x", code, WorkerFailure.Origin.OWN);
      assertThat(ExitCode.of(failure)).isEqualTo(code);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0, DONE",
    "2, BAD_INPUT",
    "3, NOT_VERIFIED",
    "4, NOT_AVAILABLE",
    "5, PEER_FAILED",
    "1, PEER_FAILED",
    "137, PEER_FAILED",
    "-9, PEER_FAILED"
  })
  void aProcessesCodeIsReadBack(int code, ExitCode expected) {
    assertThat(ExitCode.ofCode(code)).isEqualTo(expected);
  }
}
