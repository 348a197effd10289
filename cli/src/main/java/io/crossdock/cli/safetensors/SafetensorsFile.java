package io.crossdock.cli.safetensors;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;

/// A safetensors file, mapped for reading. Offsets of the data promise no alignment.
///
/// Safe for any thread until closed.
public final class SafetensorsFile implements AutoCloseable {
  private static final long MAX_HEADER_BYTES = 100L << 20;
  private static final int LENGTH_BYTES = 8;

  private final Path path;
  private final Arena arena;
  private final MemorySegment data;
  private final Map<String, TensorInfo> tensors;
  private final Map<String, String> metadata;

  private SafetensorsFile(Path path, Arena arena) {
    this.path = path;
    this.arena = arena;
    MemorySegment file = map(path, arena);
    long headerBytes = headerBytes(file);
    data = file.asSlice(LENGTH_BYTES + headerBytes);
    HeaderParser parser = new HeaderParser(path.toString(), data.byteSize());
    parser.parse(file.asSlice(LENGTH_BYTES, headerBytes).asByteBuffer());
    tensors = Collections.unmodifiableMap(parser.tensors());
    metadata = Collections.unmodifiableMap(parser.metadata());
  }

  /// Opens a file and checks its header.
  ///
  /// @param path the file
  /// @return the file
  /// @throws SafetensorsException if it cannot be read or is malformed
  public static SafetensorsFile open(Path path) {
    Arena arena = Arena.ofShared();
    try {
      return new SafetensorsFile(path, arena);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  private static MemorySegment map(Path path, Arena arena) {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (IOException e) {
      throw new SafetensorsException("file cannot be read: file=" + path + ", cause=" + e, e);
    }
  }

  private long headerBytes(MemorySegment file) {
    long size = file.byteSize();
    long bytes = size < LENGTH_BYTES ? -1 : file.get(JAVA_LONG_UNALIGNED, 0);
    if (bytes < 0 || bytes > MAX_HEADER_BYTES || bytes > size - LENGTH_BYTES) {
      throw new SafetensorsException(
          "header does not fit the file: file="
              + path
              + ", headerBytes="
              + bytes
              + ", fileBytes="
              + size);
    }
    return bytes;
  }

  /// {@return all tensors by name, in the order of the header}
  public Map<String, TensorInfo> tensors() {
    return tensors;
  }

  /// {@return the free-form strings of the header}
  public Map<String, String> metadata() {
    return metadata;
  }

  /// {@return a tensor's description, if the file has it}
  ///
  /// @param name in the file
  public Optional<TensorInfo> find(String name) {
    return Optional.ofNullable(tensors.get(name));
  }

  /// {@return a tensor's bytes, row-major, read-only, of any alignment}
  ///
  /// @param name in the file
  /// @throws SafetensorsException if the file has no such tensor
  public MemorySegment bytes(String name) {
    TensorInfo info =
        find(name)
            .orElseThrow(() ->
                new SafetensorsException("tensor is missing: file=" + path + ", tensor=" + name));
    return data.asSlice(info.begin(), info.end() - info.begin());
  }

  /// Unmaps the file. Idempotent.
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
