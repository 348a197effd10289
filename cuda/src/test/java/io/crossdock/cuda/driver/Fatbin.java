package io.crossdock.cuda.driver;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// Reads an uncompressed fatbin: a header, then images of their own header and payload each.
///
/// Safe for any thread.
final class Fatbin {
  private static final int MAGIC = 0xba55ed50;
  private static final int HEADER_SIZE_OFFSET = 6;
  private static final int BODY_SIZE_OFFSET = 8;

  private static final int IMAGE_HEADER_SIZE_OFFSET = 4;
  private static final int IMAGE_SIZE_OFFSET = 8;
  private static final int ARCHITECTURE_OFFSET = 28;
  private static final int UNCOMPRESSED_SIZE_OFFSET = 56;
  private static final int PTX = 1;
  private static final int ELF = 2;

  private final List<Image> images = new ArrayList<>();

  /// What an image holds.
  enum Kind {
    PTX,
    ELF
  }

  /// One image.
  ///
  /// @param kind PTX text or machine code
  /// @param architecture for example 90
  /// @param bytes payload, little-endian
  record Image(Kind kind, int architecture, ByteBuffer bytes) {}

  Fatbin(byte[] file) {
    ByteBuffer all = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    if (all.getInt(0) != MAGIC) {
      throw new IllegalArgumentException("not a fatbin: magic=" + all.getInt(0));
    }
    int at = all.getShort(HEADER_SIZE_OFFSET);
    int end = at + Math.toIntExact(all.getLong(BODY_SIZE_OFFSET));
    while (at < end) {
      int payload = at + all.getInt(at + IMAGE_HEADER_SIZE_OFFSET);
      int byteSize = Math.toIntExact(all.getLong(at + IMAGE_SIZE_OFFSET));
      images.add(image(all, at, payload, byteSize));
      at = payload + byteSize;
    }
  }

  private static Image image(ByteBuffer all, int header, int payload, int byteSize) {
    if (all.getLong(header + UNCOMPRESSED_SIZE_OFFSET) != 0) {
      throw new IllegalArgumentException("image is compressed: offset=" + header);
    }
    Kind kind =
        switch (all.getShort(header)) {
          case PTX -> Kind.PTX;
          case ELF -> Kind.ELF;
          default ->
              throw new IllegalArgumentException("no such image: kind=" + all.getShort(header));
        };
    ByteBuffer bytes = all.slice(payload, byteSize).order(ByteOrder.LITTLE_ENDIAN);
    return new Image(kind, all.getInt(header + ARCHITECTURE_OFFSET), bytes);
  }

  List<Image> images() {
    return List.copyOf(images);
  }

  /// The machine code of every generation.
  List<Cubin> cubins() {
    return images.stream()
        .filter(image -> image.kind() == Kind.ELF)
        .map(image -> new Cubin(image.architecture(), image.bytes()))
        .toList();
  }
}
