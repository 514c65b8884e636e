// SPDX-License-Identifier: Apache-2.0
// What a model answered, in a few numbers that people read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/arrays.h"
#include "edgesmith/data/dataset.h"

namespace edgesmith::cli {

/// One of the largest scores.
struct ClassScore {
  int64_t index = 0;
  std::string name;  ///< "" where it has none
  float value = 0;
};

struct Range {
  float min = 0, max = 0;
  double mean = 0;
};

/// One output for one sample. One of the lists holds something, or `range` or `nans` do.
struct OutputAnswer {
  std::string name;
  ir::Dims dims;
  std::vector<ClassScore> top;     ///< of scores: the largest five, largest first
  std::vector<float> numbers;      ///< where they are few
  std::vector<std::string> texts;  ///< where they are few
  std::optional<Range> range;      ///< of anything larger
  int64_t nans = 0;                ///< of anything larger that has some
};

struct SampleAnswer {
  std::string sample;
  int64_t label = -1;      ///< -1: none
  std::string label_name;  ///< "" where it has none
  std::vector<OutputAnswer> outputs;
};

/// The first `count` samples of `data`, each with its part of every array (samples on axis 0). Arrays that are not one
/// part a sample are left out. `classes`: names by class, or none. Errors: invalid (a sample cannot be read).
Result<std::vector<SampleAnswer>> describe_answers(std::span<const data::NamedArray> arrays, const data::Dataset& data,
                                                   const std::vector<std::string>& classes, int64_t count);

/// Outputs that are one score a class and sample, none of which has as many scores as there are names: "output 'logits'
/// has 10 classes". "": the names fit, or there is no such output.
std::string unnamed_classes(std::span<const data::NamedArray> arrays, int64_t samples, int64_t names);

/// For stdout: a line for each sample, or for each of its outputs where there are several.
std::string answers_text(const std::vector<SampleAnswer>& answers);

}  // namespace edgesmith::cli
