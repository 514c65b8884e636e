// SPDX-License-Identifier: Apache-2.0
// A table of numbers: comma-separated, with a header that names the columns. `features` are the columns that a sample
// is made of: all of them for a model with one input; a model with several takes the column of each input's name.
// `label` is the column of labels: classes where all of its fields are integers, else expected outputs. Fields may be
// quoted.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "data/bytes.h"
#include "data/csv.h"
#include "data/labels.h"
#include "data/sources/array_source.h"
#include "data/sources/forms.h"
#include "edgesmith/base/text.h"

namespace edgesmith::data {
namespace {

/// The numbers of one column.
struct TableColumn {
  std::string name;
  size_t index = 0;
  std::vector<double> numbers;
};

bool parse_cell(std::string_view text, double& number) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() && !text.empty();
}

Result<TableColumn> find_column(const DataSpec& spec, const CsvRow& header, const std::string& name) {
  const int64_t index = csv_column(header, name);
  if (index >= 0) return TableColumn{name, static_cast<size_t>(index), {}};
  const std::string near = nearest(name, header);
  return invalid_error(spec.path + ":1: no column '" + name + "' in the header, but " + join(header, ", "),
                       near.empty() ? "name columns of the header" : "did you mean '" + near + "'?");
}

Status read_cells(const CsvRow& row, const std::string& where, TableColumn& column) {
  const std::string& cell = row[column.index];
  double number = 0;
  if (!parse_cell(cell, number) || !std::isfinite(number)) {
    return invalid_error(where + ": '" + cell.substr(0, 40) + "' in column '" + column.name + "' is no finite number",
                         cell.empty() ? "fill empty fields or leave the row out" : "encode words as numbers");
  }
  column.numbers.push_back(number);
  return {};
}

/// [rows, columns] of float32, or of int64 where the model takes integers and all numbers are some.
Result<ir::Tensor> columns_tensor(std::span<const TableColumn> columns, const ModelInput& input,
                                  const std::string& path) {
  const size_t rows = columns[0].numbers.size();
  const ir::Dims dims = {static_cast<int64_t>(rows), static_cast<int64_t>(columns.size())};
  std::vector<double> all;
  for (size_t r = 0; r < rows; ++r) {
    for (const TableColumn& column : columns) all.push_back(column.numbers[r]);
  }
  if (!ir::is_integer(input.type.dtype)) {
    return ir::Tensor::of<float>(dims, std::vector<float>(all.begin(), all.end()));
  }
  std::vector<int64_t> integers;
  for (const double number : all) {
    if (number != std::trunc(number) || std::abs(number) > 9e15) {
      return invalid_error(path + ": input '" + input.name + "' takes " +
                           std::string(ir::dtype_name(input.type.dtype)) + ", and the columns hold " +
                           shortest(number));
    }
    integers.push_back(static_cast<int64_t>(number));
  }
  return ir::Tensor::of<int64_t>(dims, integers);
}

Status set_label_column(ArraySource& source, const TableColumn& label) {
  std::vector<int64_t> classes;
  for (const double number : label.numbers) {
    if (number == std::trunc(number) && std::abs(number) < 9e15) classes.push_back(static_cast<int64_t>(number));
  }
  if (classes.size() == label.numbers.size()) return source.set_labels(std::move(classes));
  const std::vector<float> floats(label.numbers.begin(), label.numbers.end());
  return source.set_targets({ir::Tensor::of<float>({static_cast<int64_t>(floats.size()), 1}, floats)});
}

Result<std::vector<TableColumn>> find_features(const DataSpec& spec, const Signature& signature, const CsvRow& header) {
  std::vector<TableColumn> columns;
  for (const std::string& name : spec.features) {
    auto column = find_column(spec, header, name);
    if (!column) return column.error();
    columns.push_back(std::move(*column));
  }
  if (signature.inputs.size() == 1) return columns;
  std::vector<TableColumn> by_input;
  for (const ModelInput& input : signature.inputs) {
    const auto same = std::find_if(columns.begin(), columns.end(),
                                   [&](const TableColumn& column) { return column.name == input.name; });
    if (same == columns.end()) {
      return invalid_error(spec.path + ": no feature for the model's input '" + input.name + "'",
                           "a model with several inputs takes one column for each, of its name");
    }
    by_input.push_back(*same);
  }
  return by_input;
}

}  // namespace

Result<SourcePtr> open_csv_table(const DataSpec& spec, const Signature& signature) {
  auto bytes = map_file(spec.path);
  if (!bytes) return bytes.error();
  std::string_view text(reinterpret_cast<const char*>(bytes->span.data()), bytes->size());
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  size_t at = 0;
  int64_t line = 1;
  const auto header = next_csv_row(text, at, line);
  if (!header || text.empty())
    return invalid_error(spec.path + ":1: no header", "the first line should name the columns");
  auto columns = find_features(spec, signature, *header);
  if (!columns) return columns.error();
  std::optional<TableColumn> label;
  if (!spec.labels.empty() && spec.labels != "none") {
    if (is_label_keyword(spec.labels)) return labels_mismatch(spec, "a table", "a column's name or none");
    auto found = find_column(spec, *header, spec.labels);
    if (!found) return found.error();
    label = std::move(*found);
  }
  while (at < text.size()) {
    const std::string where = spec.path + ":" + std::to_string(line);
    const auto row = next_csv_row(text, at, line);
    if (!row) return invalid_error(where + ": a quoted field does not end");
    if (row->size() == 1 && row->front().empty()) continue;
    if (row->size() != header->size()) {
      return invalid_error(where + ": " + std::to_string(row->size()) + " fields, the header has " +
                           std::to_string(header->size()));
    }
    for (TableColumn& column : *columns) EDGESMITH_TRY(read_cells(*row, where, column));
    if (label) EDGESMITH_TRY(read_cells(*row, where, *label));
  }
  if ((*columns)[0].numbers.empty()) return invalid_error(spec.path + ": no rows below the header");
  std::vector<ir::Tensor> arrays;
  const bool one = signature.inputs.size() == 1;
  for (size_t i = 0; i < signature.inputs.size(); ++i) {
    const std::span<const TableColumn> all(*columns);
    auto tensor = columns_tensor(one ? all : all.subspan(i, 1), signature.inputs[i], spec.path);
    if (!tensor) return tensor.error();
    arrays.push_back(std::move(*tensor));
  }
  auto source = ArraySource::make(spec.path, std::move(arrays), signature);
  if (!source) return source.error();
  if (label) EDGESMITH_TRY(set_label_column(**source, *label));
  return SourcePtr(std::move(*source));
}

}  // namespace edgesmith::data
