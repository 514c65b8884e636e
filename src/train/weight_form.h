// SPDX-License-Identifier: Apache-2.0
// The forms that trained constants have, one file each: how an input of the training graph becomes what readers see,
// and how the trained input becomes a constant again.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "train/parameters.h"

namespace edgesmith::train {

/// Zeros are a mask where they are more than this share of a weight, as for the share pass.
inline constexpr double kMaskedShare = 0.05;

/// Puts nodes into a graph, in order, before one of its nodes.
class NodeMaker {
 public:
  NodeMaker(ir::Graph& graph, ir::Node& before) : graph_(graph), before_(before) {}

  ir::Value& make(ir::OpKind op, std::initializer_list<ir::Value*> inputs,
                  std::initializer_list<std::pair<std::string_view, ir::Attribute>> attributes = {});
  ir::Value& constant(ir::Tensor tensor);

 private:
  ir::Graph& graph_;
  ir::Node& before_;
};

/// One constant's form. Made from the constant; knows what must not change.
class WeightForm {
 public:
  virtual ~WeightForm() = default;
  /// Where training starts; names begin with `name`.
  virtual std::vector<Parameter> parameters(const std::string& name) const = 0;
  /// The nodes that make the constant's numbers from inputs of these parameters.
  virtual ir::Value& build(NodeMaker& maker, const std::vector<ir::Value*>& inputs) const = 0;
  /// The constant with trained values, of the parameters' dims.
  virtual ir::Tensor restore(const std::vector<ir::Tensor>& values) const = 0;
  /// Whether the first parameter is trained by the gradient of what build() returns.
  virtual bool straight_through() const { return false; }
};

/// Whether a constant has a form: float32 numbers in any encoding, but for codes with blocks that do not divide.
bool has_form(const ir::Tensor& constant);
/// The form of a constant that has one; `weight` as in Trainable.
std::unique_ptr<WeightForm> form_of(const ir::Tensor& constant, bool weight, const TrainableOptions& options);

// One a file.
std::unique_ptr<WeightForm> plain_form(const ir::Tensor& constant, bool weight);
std::unique_ptr<WeightForm> codebook_form(const ir::Tensor& constant);
std::unique_ptr<WeightForm> code_form(const ir::Tensor& constant, bool keep_zeros);
bool has_code_form(const ir::Tensor& constant);
std::unique_ptr<WeightForm> free_codebook_form(const ir::Tensor& constant);
bool has_free_codebook_form(const ir::Tensor& constant);

/// Integers as a tensor of `dtype`, of any number of bits.
ir::Tensor pack_codes(const std::vector<int64_t>& codes, ir::DType dtype, const ir::Dims& dims);

}  // namespace edgesmith::train
