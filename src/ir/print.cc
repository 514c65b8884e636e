// SPDX-License-Identifier: Apache-2.0
// The printer of the text form; its mirror is parse.cc.
#include <cctype>
#include <map>

#include "edgesmith/base/text.h"
#include "edgesmith/ir/text.h"

namespace edgesmith::ir {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Names made of these characters and not of digits alone need no quotes.
bool is_plain_name(std::string_view name) {
  bool all_digits = true;
  for (const char c : name) {
    const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    all_digits = all_digits && digit;
    if (!digit && std::isalpha(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.' && c != '/' && c != '-') {
      return false;
    }
  }
  return !name.empty() && !all_digits;
}

std::string name_text(std::string_view name) { return is_plain_name(name) ? std::string(name) : quoted(name); }

// A float that reads back as a float: with a point, an exponent, or a word.
std::string float_text(float value) {
  std::string text = shortest(value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

template <typename T, typename F>
std::string list_text(const std::vector<T>& values, const char* open, const char* close, F&& element) {
  std::string text = open;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ", ";
    text += element(values[i]);
  }
  return text + close;
}

class Printer {
 public:
  explicit Printer(const PrintOptions& options) : options_(options) {}

  std::string run(const Graph& graph) {
    name_values(graph);
    out_ = "graph @" + name_text(graph.name.empty() ? "graph" : graph.name) + "(";
    bool first = true;
    for (const Value* value : graph.inputs()) {
      if (!first) out_ += ", ";
      first = false;
      out_ += names_[value] + ": " + typed(*value);
    }
    out_ += ") -> (";
    for (size_t i = 0; i < graph.output_names().size(); ++i) {
      if (i > 0) out_ += ", ";
      out_ += name_text(graph.output_names()[i]);
      if (graph.declared_outputs[i].dtype != DType::undefined) out_ += ": " + type_text(graph.declared_outputs[i]);
    }
    out_ += ") {\n";
    for (const auto& [key, value] : graph.metadata) out_ += "  metadata " + quoted(key) + " = " + quoted(value) + "\n";
    for (const Node& node : graph.nodes()) print_node(node);
    out_ += "}\n";
    return std::move(out_);
  }

 private:
  void name_values(const Graph& graph) {
    std::map<std::string, int> seen;
    int next_number = 0;
    for (const Node& node : graph.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        const Value& value = node.output(i);
        if (value.name().empty()) {
          names_[&value] = "%" + std::to_string(next_number++);
          continue;
        }
        const int count = ++seen[value.name()];
        names_[&value] = "%" + name_text(value.name()) + (count > 1 ? "#" + std::to_string(count) : "");
      }
    }
  }

  static std::string type_text(const Type& type) {
    std::string text(dtype_name(type.dtype));
    if (!type.shape) return text + "[*]";
    text += '[';
    for (size_t i = 0; i < type.shape->size(); ++i) {
      const Dim& dim = (*type.shape)[i];
      if (i > 0) text += ',';
      text += dim.symbolic() ? name_text(dim.symbol()) : dim.text();
    }
    return text + ']';
  }

  static std::string quant_text(const Quant& quant) {
    const auto real = [](float v) { return float_text(v); };
    const auto integer = [](int32_t v) { return std::to_string(v); };
    std::string text = " q(" + std::string(dtype_name(quant.dtype)) + ", scale=";
    text += quant.scale.size() == 1 ? real(quant.scale[0]) : list_text(quant.scale, "[", "]", real);
    text += ", zp=";
    text +=
        quant.zero_point.size() == 1 ? integer(quant.zero_point[0]) : list_text(quant.zero_point, "[", "]", integer);
    if (quant.axis >= 0) text += ", axis=" + std::to_string(quant.axis);
    if (quant.block_size > 0) text += ", block=" + std::to_string(quant.block_size);
    return text + ")";
  }

  static std::string typed(const Value& value) {
    return type_text(value.type()) + (value.quant() ? quant_text(*value.quant()) : "");
  }

  std::string elements(const Tensor& tensor) const {
    if (options_.max_elements > 0 && tensor.size() > options_.max_elements) return "{...}";
    if (tensor.dtype() == DType::string) return list_text(tensor.string_data(), "{", "}", quoted);
    if (tensor.dtype() == DType::f64) {
      const auto data = tensor.data<double>();
      return list_text(std::vector<double>(data.begin(), data.end()), "{", "}", [](double v) { return shortest(v); });
    }
    if (is_float(tensor.dtype())) {
      return list_text(tensor.to_floats(), "{", "}", [](float v) { return shortest(v); });
    }
    if (is_integer(tensor.dtype()) || tensor.dtype() == DType::boolean) {
      return list_text(tensor.to_int64s(), "{", "}", [](int64_t v) { return std::to_string(v); });
    }
    return "{...}";
  }

  std::string tensor_text(const Tensor& tensor) const { return type_text(tensor.type()) + " " + elements(tensor); }

  std::string constant_text(const Tensor& tensor) const {
    switch (tensor.encoding()) {
      case Encoding::dense: return elements(tensor);
      case Encoding::affine:
        return "codes " +
               (tensor.as_palette() != nullptr ? constant_text(*tensor.as_palette()) : elements(tensor.codes()));
      case Encoding::palette:
        return "palette(axis=" + std::to_string(tensor.palette_axis()) + ", " + tensor_text(tensor.codebooks()) + ", " +
               tensor_text(tensor.codes()) + ")";
      case Encoding::sparse:
        return "sparse(" + tensor_text(tensor.positions()) + ", " + tensor_text(tensor.codes()) + ")";
    }
    return {};
  }

  std::string attribute_text(const Attribute& attribute) const {
    if (const auto* v = std::get_if<int64_t>(&attribute)) return std::to_string(*v);
    if (const auto* v = std::get_if<float>(&attribute)) return float_text(*v);
    if (const auto* v = std::get_if<std::string>(&attribute)) return quoted(*v);
    if (const auto* v = std::get_if<Ints>(&attribute)) {
      return list_text(*v, "[", "]", [](int64_t i) { return std::to_string(i); });
    }
    if (const auto* v = std::get_if<Floats>(&attribute)) return list_text(*v, "floats[", "]", float_text);
    if (const auto* v = std::get_if<Strings>(&attribute)) return list_text(*v, "strings[", "]", quoted);
    return "tensor(" + tensor_text(std::get<Tensor>(attribute)) + ")";
  }

  void print_operands(const Node& node) {
    for (int i = 0; i < node.num_inputs(); ++i) {
      out_ += i > 0 ? ", " : " ";
      out_ += node.input(i) != nullptr ? names_[node.input(i)] : "_";
    }
  }

  void print_node(const Node& node) {
    if (node.is(OpKind::input)) return;
    if (node.is(OpKind::output)) {
      out_ += "  return";
      print_operands(node);
      out_ += "\n";
      return;
    }
    out_ += "  ";
    for (int i = 0; i < node.num_outputs(); ++i) out_ += (i > 0 ? ", " : "") + names_[&node.output(i)];
    out_ += node.num_outputs() > 0 ? " = " : "";
    out_ += op_name(node.op());
    if (node.is(OpKind::constant)) out_ += " " + constant_text(node.tensor());
    if (node.is(OpKind::opaque)) out_ += "(" + quoted(node.opaque_op) + ")";
    print_operands(node);
    if (!node.attributes().empty()) {
      out_ += " {";
      bool first = true;
      for (const auto& [key, value] : node.attributes()) {
        out_ += (first ? "" : ", ") + key + "=" + attribute_text(value);
        first = false;
      }
      out_ += "}";
    }
    for (int i = 0; i < node.num_outputs(); ++i) out_ += (i > 0 ? ", " : " : ") + typed(node.output(i));
    if (!node.name().empty()) out_ += " @" + name_text(node.name());
    out_ += "\n";
  }

  PrintOptions options_;
  std::map<const Value*, std::string> names_;  // looked up only, never walked
  std::string out_;
};

}  // namespace

std::string print(const Graph& graph, const PrintOptions& options) { return Printer(options).run(graph); }

}  // namespace edgesmith::ir
