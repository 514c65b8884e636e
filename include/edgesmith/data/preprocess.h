// SPDX-License-Identifier: Apache-2.0
// Declared preprocessing as text: command-line flags, TOML, and the JSON kept in a model's metadata.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"

namespace edgesmith::data {

/// Metadata key under which a model keeps the preprocessing that it was made with.
inline constexpr std::string_view kPreprocessKey = "edgesmith.preprocess";

/// Metadata key under which a model keeps, as the same JSON, what of it was moved into the graph (pass
/// fold-preprocess).
inline constexpr std::string_view kFoldedKey = "edgesmith.preprocess.folded";

/// Preprocessing by input name, as in DataSpec: "" applies to every (float or image) input without one of its own.
using PreprocessTable = std::vector<std::pair<std::string, Preprocess>>;

/// "255", "1e-3" or a fraction "1/255". Errors: usage.
Status parse_number(std::string_view text, double& value);
/// "0.485,0.456,0.406" or "0.5"; fractions are fine. Errors: usage.
Status parse_numbers(std::string_view text, std::vector<double>& values);

/// The quick flags: color, crop-fraction, resize, filter, crop, layout, scale, mean, std (names without the dashes).
const std::vector<std::string>& preprocess_flags();
/// Sets one of them from its text: `--scale 1/255`, `--mean 0.485,0.456,0.406`, `--resize 256` (the shorter side),
/// `--resize 224x224` (height x width), `--filter bicubic`. Errors: usage, naming the flag and what it takes.
Status set_preprocess_flag(Preprocess& preprocess, std::string_view flag, std::string_view text);
/// The text that sets it; "" for what is not done, or done by itself.
std::string preprocess_flag(const Preprocess& preprocess, std::string_view flag);

/// Errors: usage (unknown colour, filter or layout; a zero or negative size; a zero in std; a scale of zero).
Status check_preprocess(const Preprocess& preprocess);

/// Canonical JSON of a table: the object of Preprocess::json() when it applies to every input, else
/// {"inputs": {"name": {...}}}. An empty table gives "".
std::string preprocess_json(const PreprocessTable& table);
/// Errors: invalid.
Result<PreprocessTable> preprocess_from_json(const std::string& text);

/// What was declared before `folded` was moved into the graph, of which `left` is what is left to do.
PreprocessTable with_folded(const PreprocessTable& left, const PreprocessTable& folded);

/// Where a text in TOML is from, for errors.
struct TomlSource {
  std::string name;             ///< of the file
  std::string place = {};       ///< what part of the file it is: "data.eval"; "": the whole
  std::vector<int> lines = {};  ///< of the file, for each line of the text (0: in no file); empty: the same
};

/// Reads a description of data in TOML (docs/data.md): the text of a .toml file, or of a table of a recipe. Relative
/// paths in it are taken from `folder`. Errors: usage, with the line and, for an unknown key, the nearest known.
Result<DataSpec> data_spec_from_toml(std::string_view text, const std::string& folder, const TomlSource& source);
/// The keys of such a description, for schemas and help: "path", "labels", "preprocess.scale", ...
const std::vector<std::string>& data_spec_keys();

}  // namespace edgesmith::data
