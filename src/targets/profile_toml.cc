// SPDX-License-Identifier: Apache-2.0
// Profiles from TOML: every key is held against the table in profile_keys.cc, every number against its range.
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "edgesmith/base/text.h"
#include "edgesmith/targets/target.h"
#include "targets/profile_keys.h"

namespace edgesmith::targets {
namespace {

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

std::string table_name(std::string_view table) {
  return table.empty() ? "the profile" : "[" + std::string(table) + "]";
}

std::string path_of(std::string_view table, std::string_view key) {
  return (table.empty() ? "" : std::string(table) + ".") + std::string(key);
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::string near = nearest(word, known);
  return near.empty() ? "known: " + join(known, ", ") : "did you mean '" + near + "'?";
}

std::string_view base_unit(KeyKind kind) {
  for (const Unit& unit : units_of(kind)) {
    if (unit.second == 1) return unit.first;
  }
  return "";
}

class ProfileReader {
 public:
  explicit ProfileReader(std::string origin) : origin_(std::move(origin)) {}

  Result<Target> read(const toml::table& root) {
    EDGESMITH_TRY(read_table(root, ""));
    for (const KeyRow& row : all_keys()) {
      if (row.required && !lines_.contains(path_of(row.table, row.key))) return missing(row);
    }
    EDGESMITH_TRY(check());
    const auto sort = [](std::vector<ir::OpKind>& ops) { std::sort(ops.begin(), ops.end()); };
    sort(target_.integer_ops);
    sort(target_.passing_ops);
    sort(target_.limits.only_ops);
    sort(target_.limits.unsupported_ops);
    return std::move(target_);
  }

 private:
  Error error(int line, const std::string& message, const std::string& hint = {}) const {
    return usage_error(origin_ + ": line " + std::to_string(line) + ": " + message, hint);
  }
  Error wrong(const KeyRow& row, const toml::node& node, const std::string& wanted) const {
    return error(line_of(node), "'" + std::string(row.key) + "' in " + table_name(row.table) + " wants " + wanted);
  }

  // The nearest table that is there says where to add the key.
  Error missing(const KeyRow& row) const {
    int line = 1;
    for (std::string path(row.table); !path.empty();) {
      if (const auto found = lines_.find(path); found != lines_.end()) {
        line = found->second;
        break;
      }
      const size_t dot = path.rfind('.');
      path = dot == std::string::npos ? "" : path.substr(0, dot);
    }
    return error(line, table_name(row.table) + " has no '" + std::string(row.key) + "'", std::string(row.help));
  }

  static bool is_table(std::string_view path) {
    for (const KeyRow& row : all_keys()) {
      if (row.table == path || row.table.starts_with(std::string(path) + ".")) return true;
    }
    return false;
  }

  // Keys and tables that `table` may hold.
  static std::vector<std::string> known_in(std::string_view table) {
    std::vector<std::string> known;
    for (const KeyRow& row : all_keys()) {
      std::string name(row.key);
      if (row.table != table) {
        const std::string prefix = table.empty() ? "" : std::string(table) + ".";
        if (row.table.empty() || !row.table.starts_with(prefix)) continue;
        name = row.table.substr(prefix.size());
        name = name.substr(0, name.find('.'));
      }
      if (std::find(known.begin(), known.end(), name) == known.end()) known.push_back(name);
    }
    return known;
  }

  Status read_table(const toml::table& table, const std::string& path) {
    for (const auto& [name, node] : table) {
      const std::string key(name.str()), full = path_of(path, key);
      const int line = static_cast<int>(name.source().begin.line);
      lines_[full] = line;
      const auto row = std::find_if(all_keys().begin(), all_keys().end(),
                                    [&](const KeyRow& known) { return known.table == path && known.key == key; });
      if (row != all_keys().end()) {
        EDGESMITH_TRY(read_key(*row, node));
      } else if (is_table(full)) {
        if (!node.is_table()) return error(line, "'" + key + "' in " + table_name(path) + " wants a table");
        EDGESMITH_TRY(read_table(*node.as_table(), full));
      } else {
        return error(line, "unknown key '" + key + "' in " + table_name(path), suggestion(key, known_in(path)));
      }
    }
    return {};
  }

  Status read_key(const KeyRow& row, const toml::node& node) {
    KeyValue value;
    switch (row.kind) {
      case KeyKind::text:
      case KeyKind::word: EDGESMITH_TRY(read_text(row, node, value)); break;
      case KeyKind::flag:
        if (!node.is_boolean()) return wrong(row, node, "true or false");
        value.flag = node.as_boolean()->get();
        break;
      case KeyKind::integer:
        if (!node.is_integer()) return wrong(row, node, "a whole number");
        EDGESMITH_TRY(read_number(row, node, value.number));
        break;
      case KeyKind::number: EDGESMITH_TRY(read_number(row, node, value.number)); break;
      case KeyKind::frequency:
      case KeyKind::bytes:
      case KeyKind::bandwidth:
      case KeyKind::power:
      case KeyKind::time: EDGESMITH_TRY(read_quantity(row, node, value.number)); break;
      case KeyKind::byte_list:
        if (!node.is_array()) return wrong(row, node, "a list of quantities such as [\"32 KiB\"]");
        for (const toml::node& item : *node.as_array()) {
          EDGESMITH_TRY(read_quantity(row, item, value.numbers.emplace_back()));
        }
        break;
      case KeyKind::range: EDGESMITH_TRY(read_range(row, node, value)); break;
      case KeyKind::code: EDGESMITH_TRY(read_code(row, node, value)); break;
      case KeyKind::operators: EDGESMITH_TRY(read_operators(row, node, value)); break;
    }
    row.set(target_, value);
    return {};
  }

  Status read_text(const KeyRow& row, const toml::node& node, KeyValue& value) const {
    if (!node.is_string() || node.as_string()->get().empty()) return wrong(row, node, "a text");
    value.text = node.as_string()->get();
    if (row.words.empty()) return {};
    if (std::find(row.words.begin(), row.words.end(), value.text) != row.words.end()) return {};
    const std::vector<std::string> words(row.words.begin(), row.words.end());
    return error(line_of(node),
                 "'" + std::string(row.key) + "' in " + table_name(row.table) + " has no value '" + value.text + "'",
                 suggestion(value.text, words));
  }

  Status check_range(const KeyRow& row, const toml::node& node, double number, std::string_view unit) const {
    if (std::isfinite(number) && number >= row.min && number <= row.max) return {};
    const std::string in = unit.empty() ? "" : " " + std::string(unit);
    return wrong(row, node, shortest(row.min) + " to " + shortest(row.max) + in + ", not " + shortest(number) + in);
  }

  Status read_number(const KeyRow& row, const toml::node& node, double& number) const {
    if (!node.is_number()) return wrong(row, node, "a number");
    number = *node.value<double>();
    return check_range(row, node, number, "");
  }

  // "120 MHz": a number, a space, a unit.
  Status read_quantity(const KeyRow& row, const toml::node& node, double& number) const {
    std::vector<std::string> names;
    for (const Unit& unit : units_of(row.kind)) names.emplace_back(unit.first);
    const std::string wanted = "a text with a number and a unit (" + join(names, ", ") + ")";
    if (!node.is_string()) return wrong(row, node, wanted);
    const std::string& text = node.as_string()->get();
    char* end = nullptr;
    number = std::strtod(text.c_str(), &end);
    const std::string rest(end);
    if (end == text.c_str() || rest.empty() || rest[0] != ' ') return wrong(row, node, wanted + ", not '" + text + "'");
    for (const Unit& unit : units_of(row.kind)) {
      if (unit.first != rest.substr(1)) continue;
      number *= unit.second;
      return check_range(row, node, number, base_unit(row.kind));
    }
    return error(line_of(node),
                 "'" + std::string(row.key) + "' in " + table_name(row.table) + " has no unit '" + rest.substr(1) + "'",
                 "known: " + join(names, ", "));
  }

  Status read_range(const KeyRow& row, const toml::node& node, KeyValue& value) const {
    const toml::array* list = node.as_array();
    if (list == nullptr || list->size() != 2) return wrong(row, node, "[least, largest]");
    for (const toml::node& item : *list) {
      if (!item.is_integer()) return wrong(row, node, "two whole numbers");
      EDGESMITH_TRY(read_number(row, item, value.numbers.emplace_back()));
    }
    if (value.numbers[0] > value.numbers[1]) return wrong(row, node, "the least number first");
    return {};
  }

  Status read_code(const KeyRow& row, const toml::node& node, KeyValue& value) const {
    const toml::array* list = node.as_array();
    const bool fits = list != nullptr && list->size() == 2 && list->get(0)->is_number() && list->get(1)->is_integer();
    if (!fits) return wrong(row, node, "[scale, zero point]");
    value.numbers = {*list->get(0)->value<double>(), 0};
    EDGESMITH_TRY(read_number(row, *list->get(1), value.numbers[1]));
    if (!(value.numbers[0] > 0) || !std::isfinite(value.numbers[0])) return wrong(row, node, "a scale above 0");
    return {};
  }

  Status read_operators(const KeyRow& row, const toml::node& node, KeyValue& value) const {
    if (!node.is_array()) return wrong(row, node, "a list of ONNX operators such as [\"Conv\"]");
    for (const toml::node& item : *node.as_array()) {
      if (!item.is_string()) return wrong(row, item, "names of ONNX operators");
      const std::string& name = item.as_string()->get();
      const auto op = ir::op_from_onnx_name(name);
      if (!op) return unknown_operator(row, item, name);
      if (std::find(value.operators.begin(), value.operators.end(), *op) != value.operators.end()) {
        return error(line_of(item), "'" + std::string(row.key) + "' names " + name + " twice");
      }
      value.operators.push_back(*op);
    }
    return {};
  }

  Error unknown_operator(const KeyRow& row, const toml::node& node, const std::string& name) const {
    std::vector<std::string> known;
    for (int i = 0; i < ir::num_op_kinds(); ++i) {
      const std::string_view onnx = ir::onnx_name(static_cast<ir::OpKind>(i));
      if (!onnx.empty()) known.emplace_back(onnx);
    }
    const std::string near = nearest(name, known);
    return error(line_of(node), "'" + std::string(row.key) + "' names an unknown operator '" + name + "'",
                 near.empty() ? "see 'edgesmith ops'" : "did you mean '" + near + "'?");
  }

  int line(const std::string& path) const {
    const auto found = lines_.find(path);
    return found == lines_.end() ? 1 : found->second;
  }

  // Facts that contradict each other.
  Status check() const {
    const Target& t = target_;
    if (t.symmetric_activations && t.activation_dtype == ir::DType::u8) {
      return error(line("quantization.symmetric"), "symmetric activations cannot be u8: their zero point is 0",
                   "use activations = \"i8\"");
    }
    if (!t.limits.only_ops.empty() && !t.limits.unsupported_ops.empty()) {
      return error(line("limits.unsupported_ops"), "[limits] has both 'only_ops' and 'unsupported_ops'", "give one");
    }
    for (const ir::OpKind op : t.integer_ops) {
      if (t.has_op(op)) continue;
      return error(line("quantization.integer_ops"),
                   "'integer_ops' names " + std::string(ir::onnx_name(op)) + ", which [limits] says it lacks");
    }
    if (t.limits.weights == WeightMemory::flash && (!t.device.flash_bytes || !t.device.ram_bytes)) {
      return error(line("limits.weights_in"), "weights lie in flash, but [device] lacks 'ram' or 'flash'",
                   "add both, such as flash = \"2 MiB\"");
    }
    for (const FixedOutput& fixed : t.fixed_outputs) {
      const bool fits = fixed.zero_point >= ir::min_code(t.activation_dtype) &&
                        fixed.zero_point <= ir::max_code(t.activation_dtype) &&
                        (!t.symmetric_activations || fixed.zero_point == 0);
      if (fits) continue;
      const std::string name(ir::onnx_name(fixed.op));
      return error(line("quantization.fixed_outputs." + name),
                   "the zero point of " + name + " is " + std::to_string(fixed.zero_point) +
                       ", which the activations (" + std::string(ir::dtype_name(t.activation_dtype)) + ") cannot have");
    }
    return {};
  }

  std::string origin_;
  Target target_;
  std::map<std::string, int> lines_;  // of every key and table
};

}  // namespace

Result<Target> parse_profile(std::string_view text, const std::string& origin) {
  try {
    return ProfileReader(origin).read(toml::parse(text));
  } catch (const toml::parse_error& error) {
    return usage_error(origin + ": line " + std::to_string(error.source().begin.line) +
                           ": not TOML: " + std::string(error.description()),
                       quotes_hint(text, error.source().begin.line));
  }
}

}  // namespace edgesmith::targets
