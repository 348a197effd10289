package io.crossdock.cuda.driver;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Reads the ELF file of one GPU generation: kernels, their parameters, constant variables.
///
/// Safe for any thread.
final class Cubin {
  private static final int MAGIC = 0x464c457f;
  private static final int SECTION_TABLE_OFFSET = 40;
  private static final int SECTION_COUNT_OFFSET = 60;
  private static final int SECTION_NAMES_OFFSET = 62;
  private static final int SECTION_HEADER_BYTES = 64;
  private static final int SYMBOL_BYTES = 24;
  private static final String CODE = ".text.";
  private static final String INFO = ".nv.info.";
  private static final String CONSTANTS = ".nv.constant3";

  // An attribute of .nv.info: format u8, kind u8, then a 16-bit value or the size of what follows.
  private static final int SIZED_FORMAT = 4;
  private static final int PARAMETER = 0x17;
  private static final int PARAMETERS_BYTES = 0x19;
  private static final int PARAMETER_ORDINAL_OFFSET = 4;
  private static final int PARAMETER_OFFSET_OFFSET = 6;
  private static final int PARAMETER_SIZE_OFFSET = 8;
  private static final int PARAMETER_SIZE_SHIFT = 18;

  private final int architecture;
  private final ByteBuffer file;
  private final List<Section> sections = new ArrayList<>();
  private final Map<String, Symbol> symbols = new LinkedHashMap<>();

  private record Section(String name, int offset, int byteSize) {}

  private record Symbol(int section, int value, int byteSize) {}

  /// A parameter of a kernel.
  ///
  /// @param ordinal from 0
  /// @param offset from the start of all parameters
  /// @param byteSize bytes
  record Parameter(int ordinal, int offset, int byteSize) {}

  Cubin(int architecture, ByteBuffer file) {
    this.architecture = architecture;
    this.file = file;
    if (file.getInt(0) != MAGIC) {
      throw new IllegalArgumentException("not an ELF file: magic=" + file.getInt(0));
    }
    readSections();
    readSymbols();
  }

  private void readSections() {
    int table = Math.toIntExact(file.getLong(SECTION_TABLE_OFFSET));
    int count = file.getShort(SECTION_COUNT_OFFSET);
    int names = offsetOf(table, file.getShort(SECTION_NAMES_OFFSET));
    for (int index = 0; index < count; index++) {
      int header = table + index * SECTION_HEADER_BYTES;
      int byteSize = Math.toIntExact(file.getLong(header + 32));
      sections.add(
          new Section(textAt(names + file.getInt(header)), offsetOf(table, index), byteSize));
    }
  }

  private int offsetOf(int table, int section) {
    return Math.toIntExact(file.getLong(table + section * SECTION_HEADER_BYTES + 24));
  }

  private void readSymbols() {
    Section table = section(".symtab");
    int names = section(".strtab").offset;
    for (int at = table.offset; at < table.offset + table.byteSize; at += SYMBOL_BYTES) {
      String name = textAt(names + file.getInt(at));
      int value = Math.toIntExact(file.getLong(at + 8));
      int byteSize = Math.toIntExact(file.getLong(at + 16));
      symbols.put(name, new Symbol(file.getShort(at + 6), value, byteSize));
    }
  }

  private Section section(String name) {
    return sections.stream()
        .filter(section -> section.name.equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no such section: name=" + name));
  }

  private String textAt(int offset) {
    int end = offset;
    while (file.get(end) != 0) {
      end++;
    }
    byte[] bytes = new byte[end - offset];
    file.get(offset, bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /// For example 90.
  int architecture() {
    return architecture;
  }

  /// Names of the kernels, sorted.
  List<String> kernels() {
    return sections.stream()
        .map(Section::name)
        .filter(name -> name.startsWith(INFO))
        .map(name -> name.substring(INFO.length()))
        .filter(name -> sections.stream().anyMatch(section -> section.name.equals(CODE + name)))
        .sorted()
        .toList();
  }

  /// Parameters of a kernel, in order.
  List<Parameter> parameters(String kernel) {
    Map<Integer, Parameter> parameters = new TreeMap<>();
    for (ByteBuffer data : attributes(kernel, PARAMETER)) {
      int ordinal = data.getShort(PARAMETER_ORDINAL_OFFSET);
      int offset = data.getShort(PARAMETER_OFFSET_OFFSET);
      int byteSize = data.getInt(PARAMETER_SIZE_OFFSET) >>> PARAMETER_SIZE_SHIFT;
      parameters.put(ordinal, new Parameter(ordinal, offset, byteSize));
    }
    return List.copyOf(parameters.values());
  }

  /// Bytes of all parameters of a kernel.
  int parametersByteSize(String kernel) {
    return attributes(kernel, PARAMETERS_BYTES).getFirst().getShort(0);
  }

  /// The data of the attributes of one kind; of a 16-bit value, just that.
  private List<ByteBuffer> attributes(String kernel, int kind) {
    Section info = section(INFO + kernel);
    List<ByteBuffer> found = new ArrayList<>();
    int at = info.offset;
    while (at < info.offset + info.byteSize) {
      boolean sized = file.get(at) == SIZED_FORMAT;
      int start = sized ? at + 4 : at + 2;
      int byteSize = sized ? Short.toUnsignedInt(file.getShort(at + 2)) : Short.BYTES;
      if (Byte.toUnsignedInt(file.get(at + 1)) == kind) {
        found.add(file.slice(start, byteSize).order(ByteOrder.LITTLE_ENDIAN));
      }
      at = start + byteSize;
    }
    return found;
  }

  /// Names of the constant variables with a prefix.
  List<String> constants(String prefix) {
    return symbols.keySet().stream().filter(name -> name.startsWith(prefix)).sorted().toList();
  }

  /// A constant variable, an array of 32-bit numbers.
  int[] constantInts(String name) {
    Symbol symbol = symbols.get(name);
    if (symbol == null || !sections.get(symbol.section).name.equals(CONSTANTS)) {
      throw new IllegalArgumentException("no such constant: name=" + name);
    }
    int offset = sections.get(symbol.section).offset + symbol.value;
    int[] numbers = new int[symbol.byteSize / Integer.BYTES];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = file.getInt(offset + i * Integer.BYTES);
    }
    return numbers;
  }
}
