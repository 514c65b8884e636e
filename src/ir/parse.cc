// SPDX-License-Identifier: Apache-2.0
// The parser of the text form; its mirror is print.cc. Recursive descent over the tokens of lexer.h; the first error
// stops it (`failed_`), later calls do nothing.
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "ir/lexer.h"

namespace edgesmith::ir {
namespace {

double to_double(const std::string& text) {
  double value = 0;
  const char* begin = text.c_str() + (text[0] == '-' ? 1 : 0);
  std::from_chars(begin, text.c_str() + text.size(), value);
  return text[0] == '-' ? -value : value;
}

float to_float(const std::string& text) {
  float value = 0;
  const char* begin = text.c_str() + (text[0] == '-' ? 1 : 0);
  std::from_chars(begin, text.c_str() + text.size(), value);
  return text[0] == '-' ? -value : value;
}

int64_t to_int(const std::string& text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

template <typename T, typename F>
Tensor filled(const Dims& dims, const std::vector<std::string>& numbers, F&& convert) {
  Tensor tensor = Tensor::zeros(dtype_of<T>(), dims);
  auto data = tensor.mutable_data<T>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<T>(convert(numbers[i]));
  return tensor;
}

Tensor filled_packed(DType dtype, const Dims& dims, const std::vector<std::string>& numbers) {
  Tensor tensor = Tensor::zeros(dtype, dims);
  auto bytes = tensor.mutable_bytes();
  const int bits = dtype_bits(dtype), per_byte = 8 / bits;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto code = static_cast<unsigned>(to_int(numbers[i])) & ((1u << bits) - 1);
    bytes[i / static_cast<size_t>(per_byte)] |=
        static_cast<std::byte>(code << (static_cast<int>(i % static_cast<size_t>(per_byte)) * bits));
  }
  return tensor;
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Graph> run() {
    expect("graph");
    expect("@");
    graph_.name = name();
    if (graph_.name == "graph") graph_.name.clear();
    parse_inputs();
    expect("->");
    parse_results();
    expect("{");
    while (!failed_ && !accept("}")) parse_line();
    if (!failed_ && peek().kind != Token::Kind::end) fail("text after the closing brace");
    if (!failed_ && !returned_) fail("no return line");
    if (failed_) return *failed_;
    return std::move(graph_);
  }

 private:
  const Token& peek() const { return tokens_[position_]; }
  Token take() {
    const Token& token = tokens_[position_];
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }
  bool at(std::string_view text) const { return peek().kind != Token::Kind::text && peek().text == text; }
  bool accept(std::string_view text) {
    if (failed_ || !at(text)) return false;
    take();
    return true;
  }
  void expect(std::string_view text) {
    if (!failed_ && !accept(text)) fail("expected '" + std::string(text) + "', found '" + peek().text + "'");
  }
  void fail(const std::string& message) {
    if (!failed_)
      failed_ =
          invalid_error("line " + std::to_string(tokens_[position_ > 0 ? position_ - 1 : 0].line) + ": " + message);
  }
  std::string name() { return take().text; }
  int64_t integer() {
    if (peek().kind != Token::Kind::number) fail("expected a number, found '" + peek().text + "'");
    return to_int(take().text);
  }

  // %name, %"any name", %12 (nameless), %name#2 (second value of that name). Returns the text key.
  std::string value_key(std::string* source_name = nullptr) {
    expect("%");
    const Token token = take();
    std::string key = token.kind == Token::Kind::number ? "%" + token.text : token.text;
    if (source_name != nullptr) *source_name = token.kind == Token::Kind::number ? "" : token.text;
    if (accept("#")) key += "#" + take().text;
    return key;
  }

  Value* known(const std::string& key) {
    const auto found = values_.find(key);
    if (found == values_.end()) {
      fail("value '" + key + "' is not defined");
      return nullptr;
    }
    return found->second;
  }

  void define(const std::string& key, Value& value) {
    if (!values_.emplace(key, &value).second) fail("value '" + key + "' is defined twice");
  }

  Type type() {
    Type type;
    const std::string word = take().text;
    type.dtype = dtype_from_name(word);
    if (type.dtype == DType::undefined && word != "undefined") fail("unknown dtype '" + word + "'");
    expect("[");
    if (accept("*")) {
      expect("]");
      return type;
    }
    type.shape.emplace();
    while (!failed_ && !accept("]")) {
      if (!type.shape->empty()) expect(",");
      if (accept("?")) {
        type.shape->emplace_back();
      } else if (peek().kind == Token::Kind::number) {
        type.shape->emplace_back(integer());
      } else {
        type.shape->emplace_back(Dim(name()));
      }
    }
    return type;
  }

  std::vector<std::string> list(std::string_view open, std::string_view close) {
    std::vector<std::string> items;
    expect(open);
    while (!failed_ && !accept(close)) {
      if (!items.empty()) expect(",");
      if (at("...")) fail("the constant is elided; print it in full");
      items.push_back(take().text);
    }
    return items;
  }

  std::vector<std::string> one_or_list() { return at("[") ? list("[", "]") : std::vector<std::string>{take().text}; }

  std::optional<Quant> quant() {
    if (!accept("q")) return std::nullopt;
    Quant quant;
    expect("(");
    quant.dtype = dtype_from_name(take().text);
    expect(",");
    expect("scale");
    expect("=");
    for (const std::string& item : one_or_list()) quant.scale.push_back(to_float(item));
    expect(",");
    expect("zp");
    expect("=");
    for (const std::string& item : one_or_list()) quant.zero_point.push_back(static_cast<int32_t>(to_int(item)));
    while (accept(",")) {
      const std::string key = take().text;
      expect("=");
      const int64_t number = integer();
      if (key == "axis") quant.axis = static_cast<int>(number);
      if (key == "block") quant.block_size = number;
    }
    expect(")");
    return quant;
  }

  Tensor numbers(DType dtype, const Dims& dims, const std::vector<std::string>& items) {
    if (num_elements(dims) != static_cast<int64_t>(items.size())) {
      fail("constant has " + std::to_string(items.size()) + " elements, its type needs " +
           std::to_string(num_elements(dims)));
      return {};
    }
    switch (dtype) {
      case DType::f32: return filled<float>(dims, items, to_float);
      case DType::f64: return filled<double>(dims, items, to_double);
      case DType::i8: return filled<int8_t>(dims, items, to_int);
      case DType::u8: return filled<uint8_t>(dims, items, to_int);
      case DType::i16: return filled<int16_t>(dims, items, to_int);
      case DType::u16: return filled<uint16_t>(dims, items, to_int);
      case DType::i32: return filled<int32_t>(dims, items, to_int);
      case DType::u32: return filled<uint32_t>(dims, items, to_int);
      case DType::i64: return filled<int64_t>(dims, items, to_int);
      case DType::u64: return filled<uint64_t>(dims, items, to_int);
      case DType::boolean: return filled<bool>(dims, items, to_int);
      case DType::string: return Tensor::strings(dims, items);
      case DType::i4:
      case DType::u4:
      case DType::i2:
      case DType::u2: return filled_packed(dtype, dims, items);
      case DType::f16:
      case DType::bf16: {
        Tensor tensor = Tensor::zeros(dtype, dims);
        auto* data = reinterpret_cast<uint16_t*>(tensor.mutable_bytes().data());
        for (size_t i = 0; i < items.size(); ++i) {
          data[i] = dtype == DType::f16 ? float_to_half(to_float(items[i])) : float_to_bfloat16(to_float(items[i]));
        }
        return tensor;
      }
      case DType::undefined:
      case DType::c64:
      case DType::c128:
      case DType::f8e4m3fn:
      case DType::f8e4m3fnuz:
      case DType::f8e5m2:
      case DType::f8e5m2fnuz:
      case DType::f4e2m1:
      case DType::f8e8m0: break;
    }
    fail("no text form for constants of " + std::string(dtype_name(dtype)));
    return {};
  }

  // "f32[2] {1, 2}"
  Tensor typed_tensor() {
    const Type t = type();
    const auto dims = t.static_dims();
    if (!dims) fail("a constant needs known dims");
    const auto items = list("{", "}");
    return failed_ ? Tensor() : numbers(t.dtype, *dims, items);
  }

  Attribute attribute() {
    if (peek().kind == Token::Kind::text) return take().text;
    if (peek().kind == Token::Kind::number) {
      const std::string text = take().text;
      if (text.find_first_of(".en") != std::string::npos) return to_float(text);
      return to_int(text);
    }
    if (accept("floats")) {
      Floats floats;
      for (const std::string& item : list("[", "]")) floats.push_back(to_float(item));
      return floats;
    }
    if (accept("strings")) return list("[", "]");
    if (accept("tensor")) {
      expect("(");
      Tensor tensor = typed_tensor();
      expect(")");
      return tensor;
    }
    Ints ints;
    for (const std::string& item : list("[", "]")) ints.push_back(to_int(item));
    return ints;
  }

  void parse_inputs() {
    expect("(");
    while (!failed_ && !accept(")")) {
      if (!values_.empty()) expect(",");
      std::string source_name;
      const std::string key = value_key(&source_name);
      expect(":");
      Value& value = graph_.add_input(source_name, type());
      value.set_quant(quant());
      define(key, value);
    }
  }

  void parse_results() {
    expect("(");
    while (!failed_ && !accept(")")) {
      if (!result_names_.empty()) expect(",");
      result_names_.push_back(name());
      result_types_.push_back(accept(":") ? type() : Type{});
    }
  }

  void parse_line() {
    if (accept("metadata")) {
      const std::string key = take().text;
      expect("=");
      graph_.set_metadata(key, take().text);
    } else if (accept("return")) {
      parse_return();
    } else {
      parse_node();
    }
  }

  void parse_return() {
    for (size_t i = 0; i < result_names_.size() && !failed_; ++i) {
      if (i > 0) expect(",");
      Value* value = known(value_key());
      if (value != nullptr) graph_.add_output(result_names_[i], *value);
    }
    graph_.declared_outputs = result_types_;
    returned_ = true;
  }

  // The text between "constant" and ":" is kept until the type is known.
  struct ConstantText {
    enum class Form { list, codes, splat, random, palette, sparse } form = Form::list;
    bool codes_of_palette = false;
    std::vector<std::string> items;
    std::string argument;
    Tensor first, second;
  };

  ConstantText constant_text() {
    using Form = ConstantText::Form;
    ConstantText text;
    if (accept("codes")) text.form = Form::codes;
    if (accept("splat")) text.form = Form::splat;
    if (accept("random")) text.form = Form::random;
    if (accept("palette")) {
      text.codes_of_palette = text.form == Form::codes;
      text.form = Form::palette;
    }
    if (accept("sparse")) text.form = Form::sparse;
    if (text.form == Form::list || text.form == Form::codes) {
      text.items = list("{", "}");
      return text;
    }
    expect("(");
    if (text.form == Form::random) {
      expect("seed");
      expect("=");
    }
    if (text.form == Form::palette) {
      expect("axis");
      expect("=");
    }
    if (text.form != Form::sparse) text.argument = take().text;
    if (text.form == Form::palette) expect(",");
    if (text.form == Form::palette || text.form == Form::sparse) {
      text.first = typed_tensor();
      expect(",");
      text.second = typed_tensor();
    }
    expect(")");
    return text;
  }

  Tensor palette(const ConstantText& text, const Dims& dims, const std::optional<Quant>& quant) {
    const int64_t axis = to_int(text.argument);
    const Tensor &codebooks = text.first, &indices = text.second;
    const bool dtypes = (indices.dtype() == DType::u8 || indices.dtype() == DType::u4) &&
                        codebooks.dtype() == (text.codes_of_palette ? DType::i8 : DType::f32);
    const bool known_axis = axis >= 0 && axis < std::max<int64_t>(1, static_cast<int64_t>(dims.size()));
    if (!dtypes || !known_axis || codebooks.rank() != 2 || codebooks.dims()[0] < 1 || indices.dims() != dims) {
      fail("a palette takes an axis, codebooks f32 (i8 after codes) [groups,entries] and indices u8 or u4 of its dims");
      return {};
    }
    for (const int64_t index : indices.to_int64s()) {
      if (index < codebooks.dims()[1]) continue;
      fail("index " + std::to_string(index) + " is outside a codebook of " + std::to_string(codebooks.dims()[1]));
      return {};
    }
    Tensor tensor = Tensor::palette(indices, codebooks, static_cast<int>(axis));
    if (!text.codes_of_palette) return tensor;
    if (quant) return Tensor::affine(std::move(tensor), *quant);
    fail("codes without q(...)");
    return {};
  }

  Tensor constant(const ConstantText& text, const Type& type, const std::optional<Quant>& quant) {
    using Form = ConstantText::Form;
    const auto dims = type.static_dims();
    if (!dims) {
      fail("a constant needs known dims");
      return {};
    }
    switch (text.form) {
      case Form::list: return numbers(type.dtype, *dims, text.items);
      case Form::codes:
        if (!quant) {
          fail("codes without q(...)");
          return {};
        }
        return Tensor::affine(numbers(quant->dtype, *dims, text.items), *quant);
      case Form::splat:
        return numbers(type.dtype, *dims,
                       std::vector<std::string>(static_cast<size_t>(num_elements(*dims)), text.argument));
      case Form::random: {
        Random random(static_cast<uint64_t>(to_int(text.argument)));
        Tensor tensor = Tensor::zeros(DType::f32, *dims);
        for (float& x : tensor.mutable_data<float>()) x = static_cast<float>(random.uniform() * 2 - 1);
        return tensor;
      }
      case Form::palette: return palette(text, *dims, quant);
      case Form::sparse: return Tensor::sparse(*dims, text.second, text.first);
    }
    return {};
  }

  void parse_node() {
    std::vector<std::string> keys, source_names;
    while (!failed_ && at("%")) {
      keys.push_back(value_key(&source_names.emplace_back()));
      if (!accept(",")) break;
    }
    if (!keys.empty()) expect("=");
    const std::string op_word = take().text;
    const auto op = op_from_name(op_word);
    if (!op || *op == OpKind::input || *op == OpKind::output) return fail("unknown op '" + op_word + "'");
    std::string opaque_op;
    if (*op == OpKind::opaque) {
      expect("(");
      opaque_op = take().text;
      expect(")");
    }
    ConstantText text;
    if (*op == OpKind::constant) text = constant_text();
    std::vector<Value*> operands;
    while (!failed_ && (at("%") || at("_"))) {
      operands.push_back(accept("_") ? nullptr : known(value_key()));
      if (!accept(",")) break;
    }
    Attributes attributes;
    if (accept("{")) {
      while (!failed_ && !accept("}")) {
        if (!attributes.empty()) expect(",");
        const std::string key = take().text;
        expect("=");
        attributes.set(key, attribute());
      }
    }
    std::vector<Type> types;
    std::vector<std::optional<Quant>> quants;
    if (accept(":")) {
      do {
        types.push_back(type());
        quants.push_back(quant());
      } while (accept(","));
    }
    if (failed_) return;
    if (!types.empty() && types.size() != keys.size()) return fail("as many types as results are needed");
    if (*op == OpKind::constant && keys.size() != 1) return fail("a constant is one value");
    types.resize(keys.size());
    quants.resize(keys.size());
    Node& node = graph_.append(*op, operands, static_cast<int>(keys.size()));
    node.attributes() = std::move(attributes);
    node.opaque_op = opaque_op;
    if (accept("@")) node.set_name(name());
    if (*op == OpKind::constant) {
      Tensor tensor = constant(text, types[0], quants[0]);
      if (!failed_) graph_.set_tensor(node, std::move(tensor));
    }
    for (size_t i = 0; i < keys.size() && !failed_; ++i) {
      Value& value = node.output(static_cast<int>(i));
      value.set_name(source_names[i]);
      if (*op != OpKind::constant) value.set_type(types[i]);
      if (*op != OpKind::constant || quants[i]) value.set_quant(quants[i]);
      define(keys[i], value);
    }
  }

  std::vector<Token> tokens_;
  size_t position_ = 0;
  Graph graph_;
  std::map<std::string, Value*> values_;
  std::vector<std::string> result_names_;
  std::vector<Type> result_types_;
  bool returned_ = false;
  std::optional<Error> failed_;
};

}  // namespace

Result<Graph> parse(std::string_view text) {
  auto tokens = tokenize(text);
  if (!tokens) return tokens.error();
  return Parser(std::move(*tokens)).run();
}

}  // namespace edgesmith::ir
