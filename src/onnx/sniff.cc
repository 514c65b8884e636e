// SPDX-License-Identifier: Apache-2.0
#include "onnx/sniff.h"

#include <algorithm>
#include <cctype>

namespace edgesmith::onnx {
namespace {

constexpr size_t kLooked = 4096;

std::string lower_start(std::string_view text) {
  size_t begin = 0;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") begin = 3;
  while (begin < text.size() && std::isspace(static_cast<unsigned char>(text[begin])) != 0) ++begin;
  std::string start(text.substr(begin, 64));
  std::transform(start.begin(), start.end(), start.begin(), [](unsigned char c) { return std::tolower(c); });
  return start;
}

bool is_text(std::string_view text) {
  const auto printable = [](unsigned char c) { return c >= 32 || std::isspace(c) != 0; };
  const auto ascii = std::count_if(text.begin(), text.end(), [](unsigned char c) { return c < 127; });
  return !text.empty() && std::all_of(text.begin(), text.end(), printable) &&
         ascii * 10 >= static_cast<std::ptrdiff_t>(text.size()) * 9;
}

bool has_at(std::string_view text, size_t position, std::string_view word) {
  return text.size() >= position + word.size() && text.compare(position, word.size(), word) == 0;
}

Sniffed sniff_binary(std::string_view head) {
  if (has_at(head, 0, "\x1f\x8b")) return {"looks like a gzip file", "unpack it first (gunzip)", true};
  if (has_at(head, 0, "PK\x03\x04")) {
    if (head.find("data.pkl") != head.npos) {
      return {"looks like a PyTorch checkpoint", "export the model with torch.onnx.export", true};
    }
    return {"looks like a zip archive", "unpack it first; a PyTorch or Keras model must be exported to ONNX", true};
  }
  if (has_at(head, 0, "\x80\x02") || has_at(head, 0, "\x80\x04")) {
    return {"looks like a Python pickle (an old PyTorch checkpoint?)", "export the model with torch.onnx.export", true};
  }
  // FlatBuffers: a small offset, then their name. A producer's name of an ONNX model may be there, too ("ORTModule").
  const bool flat = has_at(head, 2, std::string_view("\0\0", 2));
  if (flat && has_at(head, 4, "TFL3"))
    return {"looks like a TensorFlow Lite model", "convert it with tf2onnx --tflite", true};
  if (flat && has_at(head, 4, "ORTM")) {
    return {"looks like a model in ONNX Runtime's own format", "use the .onnx file that it was made from", true};
  }
  if (has_at(head, 0, "\x89HDF\r\n\x1a\n"))
    return {"looks like an HDF5 file (Keras weights?)", "convert the model with tf2onnx", true};
  if (head.substr(0, 5) ==
          "\xfd"
          "7zXZ" ||
      has_at(head, 0, "\x28\xb5\x2f\xfd")) {
    return {"looks like a compressed file", "unpack it first", true};
  }
  if (has_at(head, 0,
             "\xE5"
             "ESM"))
    return {"is a packed model", "restore it first: edgesmith unpack", true};
  if (has_at(head, 0, "\x93NUMPY")) return {"looks like a NumPy array", "give the .onnx file", true};
  return {};
}

/// Field 1 of a TensorFlow GraphDef is a NodeDef: a message that begins with its name; ONNX has a number there.
bool looks_like_graph_def(wire::Bytes bytes) {
  wire::Reader reader({bytes, bytes.data()});
  wire::Field field, inner;
  if (!reader.next(field) || !field.is(1, wire::WireType::bytes)) return false;
  wire::Reader node(field.message());
  return node.next(inner) && inner.is(1, wire::WireType::bytes) && is_text(inner.text());
}

/// A SavedModel is {1: schema version 1, 2: MetaGraphDef ...} and no more; an ONNX model has its producer's name in
/// field 2, and a graph in field 7.
bool looks_like_saved_model(wire::Bytes bytes) {
  wire::Reader reader({bytes, bytes.data()});
  wire::Field field;
  if (!reader.next(field) || !field.is(1, wire::WireType::varint) || field.scalar != 1) return false;
  int graphs = 0;
  for (; reader.next(field); ++graphs) {
    if (!field.is(2, wire::WireType::bytes) || is_text(field.text()) || field.bytes.empty()) return false;
  }
  return graphs > 0;
}

/// A TensorProto is {1: dims (numbers), 2: data_type (a number)}.
bool looks_like_tensor(wire::Bytes bytes) {
  wire::Reader reader({bytes, bytes.data()});
  wire::Field field;
  bool typed = false;
  while (reader.next(field)) {
    if (field.number > 14) return false;
    if (field.number == 2) typed = field.type == wire::WireType::varint;
  }
  return typed && reader.status().ok();
}

}  // namespace

Sniffed sniff(wire::Bytes bytes) {
  if (bytes.empty()) return {"is empty", "the download or the export failed", true};
  const std::string_view head = wire::as_text(bytes.first(std::min(bytes.size(), kLooked)));
  if (Sniffed binary = sniff_binary(head); binary.sure) return binary;
  const std::string start = lower_start(head);
  const auto begins = [&](std::string_view word) { return start.compare(0, word.size(), word) == 0; };
  if (begins("version https://git-lfs")) return {"is a git-lfs pointer, not the model", "run 'git lfs pull'", true};
  if (begins("<!doctype html") || begins("<html")) {
    return {"looks like an HTML page", "download the file itself, not the page that shows it", true};
  }
  if (begins("<?xml")) return {"looks like an XML file (OpenVINO?)", "give the .onnx file", true};
  if (is_text(head) && start.find("ir_version") != start.npos) {
    return {"looks like ONNX in text form", "save it in binary form with onnx.save", true};
  }
  if (looks_like_graph_def(bytes)) {
    return {"looks like a frozen TensorFlow graph", "convert it with tf2onnx --graphdef", true};
  }
  if (looks_like_saved_model(bytes)) {
    return {"looks like a TensorFlow SavedModel", "convert it with tf2onnx --saved-model", true};
  }
  if (is_text(head)) return {"looks like a text file", "give the .onnx file"};
  if (looks_like_tensor(bytes))
    return {"looks like a tensor (ONNX test data), not a model", "give the model.onnx beside it"};
  return {"has no ONNX graph in it", "is it really an .onnx file, and complete?"};
}

}  // namespace edgesmith::onnx
