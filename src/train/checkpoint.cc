// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <fstream>

#include "edgesmith/base/sha256.h"
#include "edgesmith/data/arrays.h"
#include "edgesmith/ir/text.h"

namespace edgesmith::train {
namespace {

using data::NamedArray;

constexpr const char* kFormat = "edgesmith.checkpoint.1";
/// The first array is the format: the headers of the archive and of that array take less than half of these.
constexpr size_t kStartBytes = 512;

ir::Tensor bytes_of(const std::string& text) {
  return ir::Tensor::of<uint8_t>({static_cast<int64_t>(text.size())}, std::vector<uint8_t>(text.begin(), text.end()));
}

std::string text_of(const ir::Tensor& tensor) {
  const auto bytes = tensor.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

ir::Tensor vector_of(const std::vector<double>& numbers) {
  return ir::Tensor::of<double>({static_cast<int64_t>(numbers.size())}, numbers);
}

std::vector<double> numbers_of(const ir::Tensor& tensor) {
  const auto numbers = tensor.data<double>();
  return {numbers.begin(), numbers.end()};
}

bool starts_with(const std::string& text, std::string_view head) { return text.compare(0, head.size(), head) == 0; }

}  // namespace

Status write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  std::vector<NamedArray> arrays;
  arrays.push_back({"format", bytes_of(kFormat)});
  arrays.push_back({"identity", bytes_of(checkpoint.identity)});
  arrays.push_back(
      {"counts", ir::Tensor::of<int64_t>(
                     {3}, std::vector<int64_t>{checkpoint.step, checkpoint.interval_steps, checkpoint.worse})});
  arrays.push_back({"losses", vector_of({checkpoint.interval_loss, checkpoint.first_loss, checkpoint.best_loss})});
  for (size_t i = 0; i < checkpoint.state.size(); ++i)
    arrays.push_back({"state." + std::to_string(i), checkpoint.state[i]});
  for (size_t i = 0; i < checkpoint.best.size(); ++i)
    arrays.push_back({"best." + std::to_string(i), checkpoint.best[i]});
  for (const Curve& curve : checkpoint.curves) {
    arrays.push_back({"curve.name", bytes_of(curve.name)});
    arrays.push_back({"curve.unit", bytes_of(curve.unit)});
    arrays.push_back({"curve.steps", vector_of(curve.steps)});
    arrays.push_back({"curve.values", vector_of(curve.values)});
  }
  return data::write_npz(path, arrays);
}

bool is_checkpoint(const std::string& path) {
  std::string start(kStartBytes, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(file.gcount()));
  return starts_with(start, "PK\3\4") && start.find(kFormat) != std::string::npos;
}

Error no_checkpoint_error(const std::string& path) {
  return invalid_error(path + ": is no checkpoint of a training", "name a file that --checkpoint wrote");
}

Result<Checkpoint> read_checkpoint(const std::string& path) {
  auto arrays = data::read_npz(path);
  if (!arrays && arrays.error().kind == ErrorKind::invalid) {
    return is_checkpoint(path) ? invalid_error(path + ": is a damaged checkpoint", "start without --resume")
                               : no_checkpoint_error(path);
  }
  if (!arrays) return arrays.error();
  const Error wrong = no_checkpoint_error(path);
  if (arrays->size() < 4 || (*arrays)[0].name != "format" || (*arrays)[0].tensor.dtype() != ir::DType::u8 ||
      text_of((*arrays)[0].tensor) != kFormat) {
    return wrong;
  }
  Checkpoint checkpoint;
  for (const auto& [name, tensor] : *arrays) {
    // Kinds of numbers are checked once, here.
    const bool text = name == "format" || name == "identity" || name == "curve.name" || name == "curve.unit";
    const bool reals = name == "losses" || name == "curve.steps" || name == "curve.values";
    const ir::DType wanted = text               ? ir::DType::u8
                             : reals            ? ir::DType::f64
                             : name == "counts" ? ir::DType::i64
                                                : ir::DType::f32;
    if (tensor.dtype() != wanted || ((name == "counts" || name == "losses") && tensor.size() != 3)) return wrong;
    const bool in_curve = starts_with(name, "curve.") && name != "curve.name";
    if (in_curve && checkpoint.curves.empty()) return wrong;
    if (name == "identity") checkpoint.identity = text_of(tensor);
    if (name == "counts") {
      const auto counts = tensor.data<int64_t>();
      checkpoint.step = counts[0];
      checkpoint.interval_steps = counts[1];
      checkpoint.worse = counts[2];
    }
    if (name == "losses") {
      const auto losses = tensor.data<double>();
      checkpoint.interval_loss = losses[0];
      checkpoint.first_loss = losses[1];
      checkpoint.best_loss = losses[2];
    }
    if (starts_with(name, "state.")) checkpoint.state.push_back(tensor);
    if (starts_with(name, "best.")) checkpoint.best.push_back(tensor);
    if (name == "curve.name") checkpoint.curves.push_back({text_of(tensor), "", {}, {}});
    if (name == "curve.unit") checkpoint.curves.back().unit = text_of(tensor);
    if (name == "curve.steps") checkpoint.curves.back().steps = numbers_of(tensor);
    if (name == "curve.values") checkpoint.curves.back().values = numbers_of(tensor);
  }
  return checkpoint;
}

std::string training_identity(const std::vector<const ir::Graph*>& graphs, const std::string& text) {
  std::string all = text;
  for (const ir::Graph* graph : graphs) {
    all += "\n" + ir::print(*graph);
    for (const ir::Node& node : graph->nodes()) {
      if (!node.is(ir::OpKind::constant) || node.tensor().dtype() == ir::DType::string) continue;
      all += sha256_hex(node.tensor().dense().bytes());
    }
  }
  return sha256_hex(std::as_bytes(std::span<const char>(all)));
}

}  // namespace edgesmith::train
