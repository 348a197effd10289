package io.crossdock.cli.safetensors;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Collects tensors and writes them as one file, header first, data in the order of adding.
///
/// Confined to one thread.
public final class SafetensorsWriter {
  private static final long SLICE_BYTES = 64L << 20;
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final Set<OpenOption> REPLACE =
      Set.of(
          StandardOpenOption.CREATE,
          StandardOpenOption.TRUNCATE_EXISTING,
          StandardOpenOption.WRITE);

  private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
  private final Map<String, MemorySegment> contents = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();
  private long dataBytes;

  /// Creates an empty file image.
  public SafetensorsWriter() {}

  /// Adds a free-form string.
  ///
  /// @param key its name
  /// @param value its text
  /// @return this
  public SafetensorsWriter metadata(String key, String value) {
    metadata.put(key, value);
    return this;
  }

  /// Adds a tensor. Its bytes are read when the file is written.
  ///
  /// @param name in the file; not used before
  /// @param dtype the format's name of the type
  /// @param shape sizes, outermost first
  /// @param bytes exactly as many as type and shape ask for, row-major
  /// @return this
  /// @throws SafetensorsException if the bytes do not fit or the name is taken
  public SafetensorsWriter add(String name, String dtype, List<Long> shape, MemorySegment bytes) {
    long needed = needed(dtype, shape);
    boolean taken = tensors.containsKey(name) || name.equals(HeaderParser.METADATA);
    if (needed != bytes.byteSize() || taken) {
      throw new SafetensorsException(
          "tensor cannot be added: tensor="
              + name
              + ", dtype="
              + dtype
              + ", shape="
              + shape
              + ", neededBytes="
              + needed
              + ", bytes="
              + bytes.byteSize()
              + ", nameTaken="
              + taken);
    }
    tensors.put(name, new TensorInfo(name, dtype, shape, dataBytes, dataBytes + needed));
    contents.put(name, bytes);
    dataBytes += needed;
    return this;
  }

  /// {@return bytes that type and shape ask for, -1 if they make no sense}
  private static long needed(String dtype, List<Long> shape) {
    if (TensorInfo.bytesOf(dtype) < 0 || shape.stream().anyMatch(size -> size < 0)) {
      return -1;
    }
    try {
      return TensorInfo.bytesFor(dtype, shape);
    } catch (ArithmeticException e) {
      return -1;
    }
  }

  /// Writes the file: whole or not at all.
  ///
  /// @param path replaced if it exists
  /// @throws SafetensorsException if it cannot be written
  public void write(Path path) {
    Path draft = Path.of(path + "." + ProcessHandle.current().pid() + ".part");
    try {
      if (Files.isDirectory(path)) {
        throw new FileSystemException(path.toString(), null, "is a directory");
      }
      try {
        writeTo(draft);
        Files.move(draft, path, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(draft);
      }
    } catch (IOException e) {
      throw new SafetensorsException("file cannot be written: file=" + path + ", cause=" + e, e);
    }
  }

  private void writeTo(Path draft) throws IOException {
    byte[] header = header();
    try (FileChannel channel = FileChannel.open(draft, REPLACE)) {
      ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      writeFully(channel, length.putLong(header.length).flip());
      writeFully(channel, ByteBuffer.wrap(header));
      for (MemorySegment bytes : contents.values()) {
        for (long at = 0; at < bytes.byteSize(); at += SLICE_BYTES) {
          long part = Math.min(SLICE_BYTES, bytes.byteSize() - at);
          writeFully(channel, bytes.asSlice(at, part).asByteBuffer());
        }
      }
    }
  }

  private static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /// The header, padded with spaces so that the data starts at a multiple of 8.
  private byte[] header() throws IOException {
    ObjectNode root = JSON.createObjectNode();
    if (!metadata.isEmpty()) {
      root.set("__metadata__", JSON.valueToTree(metadata));
    }
    for (TensorInfo info : tensors.values()) {
      ObjectNode node = root.putObject(info.name());
      node.put("dtype", info.dtype());
      node.set("shape", JSON.valueToTree(info.shape()));
      node.set("data_offsets", JSON.valueToTree(List.of(info.begin(), info.end())));
    }
    String text = JSON.writeValueAsString(root);
    int length = text.getBytes(StandardCharsets.UTF_8).length;
    return (text + " ".repeat((8 - length % 8) % 8)).getBytes(StandardCharsets.UTF_8);
  }
}
