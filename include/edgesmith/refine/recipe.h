// SPDX-License-Identifier: Apache-2.0
// A recipe says everything about a run: the model, the data, the gate and the steps. A single command is a one-step
// recipe, so that both take the same path and can be printed as each other.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/passes/options.h"
#include "edgesmith/refine/gate.h"

namespace edgesmith::refine {

/// One pass with its options, and budgets of its own.
struct Step {
  std::string pass;
  passes::Options options;
  std::optional<double> max_drop;    ///< what this step alone may cost, against the model before it
  std::optional<int64_t> max_bytes;  ///< judged right after this step
  std::string place;                 ///< "r.toml: line 8"; empty: it was written on a command line
};

/// The data of a run by role.
struct DataRoles {
  std::optional<data::DataSpec> calib;  ///< ranges and choices of passes
  std::optional<data::DataSpec> train;
  std::optional<data::DataSpec> eval;  ///< what the gate looks at
  std::optional<data::DataSpec> test;  ///< measured once at the end, for the report only
};

struct Recipe {
  std::string model;   ///< path
  std::string output;  ///< path of the .onnx file
  std::string target;  ///< name in targets::all_targets(), or path of a profile
  uint64_t seed = 0;
  /// Of the model's inputs, by name: for data that declare none, and for the model's metadata.
  std::vector<std::pair<std::string, data::Preprocess>> preprocess;
  DataRoles data;
  Gate gate;
  std::vector<Step> steps;

  Recipe();
};

/// One key of a recipe, replaced by who runs it.
struct Override {
  std::string text;    ///< "step.quantize.weights=int4", "gate.max_drop=1", "step.2.bins=64" (counted from 1)
  std::string folder;  ///< where relative paths in it start: absolute
};

/// Reads TOML. `origin` is named in errors; relative paths are relative to `folder` ("" for the working directory).
/// `overrides` are applied before anything is checked. Errors: usage, with the line and the nearest known name for an
/// unknown key.
Result<Recipe> parse_recipe(const std::string& text, const std::string& origin, const std::string& folder,
                            std::span<const Override> overrides = {});

/// The same from a file. Errors also: io.
Result<Recipe> load_recipe(const std::string& path, std::span<const Override> overrides = {});

/// A key of a recipe, as the reader asks for it.
struct RecipeKey {
  /// bytes and seconds: a number, or a text with a unit.
  enum class Kind { any, text, number, integer, texts, word, bytes, seconds };
  std::string table;  ///< as errors name it: "the recipe", "[gate]", "[data]", "step 1"
  std::string key;
  Kind kind = Kind::any;
  double least = 0;                ///< of numbers
  std::vector<std::string> words;  ///< of a word
};
/// Every key but the options of passes, for schemas.
std::vector<RecipeKey> recipe_keys();

/// The recipe as TOML: parse_recipe reads it back. Options that have their default are left out.
std::string print_recipe(const Recipe& recipe);

}  // namespace edgesmith::refine
