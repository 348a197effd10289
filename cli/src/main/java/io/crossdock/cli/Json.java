package io.crossdock.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.crossdock.core.CrossdockException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Reads and writes JSON files.
///
/// Safe for any thread.
final class Json {
  private static final JsonMapper MAPPER =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  private Json() {}

  static JsonMapper mapper() {
    return MAPPER;
  }

  static void write(Path file, Object value) {
    try {
      Files.write(file, MAPPER.writeValueAsBytes(value));
    } catch (IOException e) {
      throw new CrossdockException("file cannot be written: file=" + file + ", cause=" + e, e);
    }
  }

  static <T> T read(Path file, Class<T> type) {
    try {
      return MAPPER.readValue(Files.readAllBytes(file), type);
    } catch (IOException e) {
      throw new CrossdockException("file cannot be read: file=" + file + ", cause=" + e, e);
    }
  }

  static JsonNode tree(Object value) {
    return MAPPER.valueToTree(value);
  }

  static String text(Object value) {
    try {
      return MAPPER.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new CrossdockException("value has no JSON form: cause=" + e, e);
    }
  }
}
