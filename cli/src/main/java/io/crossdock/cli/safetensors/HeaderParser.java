package io.crossdock.cli.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Reads a header and refuses everything that the format does not allow.
///
/// Confined to one thread.
final class HeaderParser {
  static final String METADATA = "__metadata__";

  private static final JsonMapper JSON =
      JsonMapper.builder(
              new JsonFactory()
                  .rebuild()
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(8).build())
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private final String file;
  private final long dataBytes;
  private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  HeaderParser(String file, long dataBytes) {
    this.file = file;
    this.dataBytes = dataBytes;
  }

  Map<String, TensorInfo> tensors() {
    return tensors;
  }

  Map<String, String> metadata() {
    return metadata;
  }

  void parse(ByteBuffer header) {
    JsonNode root = tree(header);
    for (Map.Entry<String, JsonNode> field : root.properties()) {
      if (field.getKey().equals(METADATA)) {
        readMetadata(field.getValue());
      } else {
        tensors.put(field.getKey(), tensor(field.getKey(), field.getValue()));
      }
    }
    checkCover();
  }

  private JsonNode tree(ByteBuffer header) {
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(header).toString();
    } catch (CharacterCodingException e) {
      throw new SafetensorsException("header is not UTF-8: file=" + file, e);
    }
    if (!text.startsWith("{")) {
      throw bad("header does not begin with a brace", "chars=" + text.length());
    }
    try (JsonParser parser = JSON.createParser(text)) {
      JsonNode root = JSON.readTree(parser);
      if (root == null || parser.nextToken() != null) {
        throw bad("header is not one JSON value", "chars=" + text.length());
      }
      return root;
    } catch (IOException e) {
      throw new SafetensorsException("header is not JSON: file=" + file + ", cause=" + cause(e), e);
    }
  }

  /// The parser's own text goes over several lines and repeats the header.
  private static String cause(IOException e) {
    return e instanceof JsonProcessingException json ? json.getOriginalMessage() : e.toString();
  }

  private void readMetadata(JsonNode node) {
    if (!node.isObject()) {
      throw bad("metadata is not an object", "found=" + node.getNodeType());
    }
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      if (!field.getValue().isTextual()) {
        throw bad("metadata is not a string", "key=" + field.getKey());
      }
      metadata.put(field.getKey(), field.getValue().textValue());
    }
  }

  private TensorInfo tensor(String name, JsonNode node) {
    JsonNode dtype = node.path("dtype");
    if (!dtype.isTextual() || TensorInfo.bytesOf(dtype.textValue()) < 0) {
      throw bad("tensor has no known dtype", "tensor=" + name + ", dtype=" + dtype);
    }
    List<Long> shape = longs(name, "shape", node.path("shape"));
    List<Long> offsets = longs(name, "data_offsets", node.path("data_offsets"));
    if (offsets.size() != 2 || offsets.get(0) > offsets.get(1) || offsets.get(1) > dataBytes) {
      throw bad(
          "tensor lies outside of the data",
          "tensor=" + name + ", data_offsets=" + offsets + ", dataBytes=" + dataBytes);
    }
    long length = offsets.get(1) - offsets.get(0);
    if (length != needed(name, dtype.textValue(), shape)) {
      throw bad(
          "tensor's bytes do not fit its shape",
          "tensor=" + name + ", shape=" + shape + ", dtype=" + dtype + ", bytes=" + length);
    }
    return new TensorInfo(name, dtype.textValue(), shape, offsets.get(0), offsets.get(1));
  }

  private long needed(String name, String dtype, List<Long> shape) {
    try {
      return TensorInfo.bytesFor(dtype, shape);
    } catch (ArithmeticException e) {
      throw bad("tensor is too large", "tensor=" + name + ", shape=" + shape);
    }
  }

  private List<Long> longs(String name, String key, JsonNode node) {
    if (!node.isArray()) {
      throw bad("tensor has no list of numbers", "tensor=" + name + ", key=" + key);
    }
    List<Long> values = new ArrayList<>();
    for (JsonNode value : node) {
      if (!value.isIntegralNumber() || !value.canConvertToLong() || value.longValue() < 0) {
        throw bad("not a size", "tensor=" + name + ", key=" + key + ", value=" + value);
      }
      values.add(value.longValue());
    }
    return values;
  }

  /// The tensors must cover the data without holes and without overlaps.
  private void checkCover() {
    List<TensorInfo> ordered = new ArrayList<>(tensors.values());
    ordered.sort(Comparator.comparingLong(TensorInfo::begin).thenComparingLong(TensorInfo::end));
    long covered = 0;
    for (TensorInfo info : ordered) {
      if (info.begin() != covered) {
        throw bad(
            info.begin() < covered ? "tensors overlap" : "data has a hole",
            "tensor=" + info.name() + ", begin=" + info.begin() + ", expected=" + covered);
      }
      covered = info.end();
    }
    if (covered != dataBytes) {
      throw bad(
          "data has bytes that no tensor owns", "dataBytes=" + dataBytes + ", used=" + covered);
    }
  }

  private SafetensorsException bad(String what, String facts) {
    return new SafetensorsException(what + ": file=" + file + ", " + facts);
  }
}
