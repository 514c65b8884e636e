// SPDX-License-Identifier: Apache-2.0
#include "data/sources/file_source.h"

#include "data/npy.h"
#include "data/npz.h"
#include "edgesmith/base/text.h"

namespace edgesmith::data {

bool is_sample_file(std::string_view name) {
  return has_image_suffix(name) || name.ends_with(".npy") || name.ends_with(".npz");
}

Result<std::vector<RawInput>> FileSource::read(int64_t index) const {
  const std::string& path = file(index).path;
  if (path.ends_with(".npz")) return read_npz_sample(path);
  if (signature_.inputs.size() != 1) {
    return invalid_error(
        path + ": one array or picture for a model with the inputs " + join(signature_.input_names(), ", "),
        "give an .npz file with arrays named after them");
  }
  auto bytes = map_file(path);
  if (!bytes) return bytes.error();
  std::vector<RawInput> inputs;
  if (path.ends_with(".npy")) {
    auto tensor = parse_npy(*bytes, path);
    if (!tensor) return tensor.error();
    inputs.emplace_back(with_batch_axis(std::move(*tensor), signature_.inputs[0]));
  } else {
    auto image = decode_image(*bytes, path);
    if (!image) return image.error();
    inputs.emplace_back(std::move(*image));
  }
  return inputs;
}

Result<std::vector<RawInput>> FileSource::read_npz_sample(const std::string& path) const {
  auto archive = NpzArchive::open(path);
  if (!archive) return archive.error();
  std::vector<RawInput> inputs;
  for (const ModelInput& input : signature_.inputs) {
    const bool alone = signature_.inputs.size() == 1 && !archive->contains(input.name);
    auto tensor = archive->read(alone ? "x" : input.name);
    if (!tensor) return tensor.error();
    inputs.emplace_back(with_batch_axis(std::move(*tensor), input));
  }
  return inputs;
}

// A file holds one sample: with the batch axis of 1 as the model has it, or without.
ir::Tensor FileSource::with_batch_axis(ir::Tensor tensor, const ModelInput& input) const {
  if (!input.batched || !input.type.has_rank() || tensor.rank() + 1 != input.type.rank()) return tensor;
  ir::Dims dims = tensor.dims();
  dims.insert(dims.begin(), 1);
  return tensor.reshaped(std::move(dims));
}

Result<uint64_t> FileSource::fingerprint(int64_t index) const {
  auto bytes = map_file(file(index).path);
  if (!bytes) return bytes.error();
  return hash_bytes(bytes->span);
}

}  // namespace edgesmith::data
