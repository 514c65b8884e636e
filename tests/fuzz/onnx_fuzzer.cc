// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry: any bytes as an .onnx. What the importer takes must go out again, and what went out must come in.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <span>
#include <string>

#include "edgesmith/base/log.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "mutate_model.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

namespace onnx = edgesmith::onnx;

/// A folder with external data in w.bin, and a link out of it in out.bin, as the nasty inputs have them.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "edgesmith-fuzz-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
    std::ofstream(path_ / "w.bin") << std::string(256, '?');
    std::filesystem::create_symlink("/etc/passwd", path_ / "out.bin");
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// An error of the user's, not of ours.
template <typename T>
bool refused(const edgesmith::Result<T>& result) {
  if (!result && result.error().kind == edgesmith::ErrorKind::internal) std::abort();
  return !result;
}

void read_and_write(std::span<const std::byte> bytes, const std::string& folder, const onnx::ImportOptions& options) {
  const auto graph = onnx::import_bytes(bytes, nullptr, folder, "fuzzed", options);
  if (refused(graph)) return;
  if (!edgesmith::ir::verify(*graph)) std::abort();
  const auto written = onnx::export_bytes(*graph);
  if (refused(written)) return;
  const auto again =
      onnx::import_bytes(std::as_bytes(std::span<const char>(*written)), nullptr, folder, "written", options);
  if (!again) std::abort();
}

/// The bytes as a message; silent where they are none.
bool parse(const uint8_t* data, size_t size, ::onnx::ModelProto& model) {
  [[maybe_unused]] static const auto silent = google::protobuf::SetLogHandler(nullptr);
  return model.ParsePartialFromArray(data, static_cast<int>(size));
}

/// Serializes `model` into `out`: its size, or 0 where it does not fit.
size_t serialize(const ::onnx::ModelProto& model, uint8_t* out, size_t max_size) {
  const size_t size = model.ByteSizeLong();
  return size <= max_size && model.SerializePartialToArray(out, static_cast<int>(max_size)) ? size : 0;
}

}  // namespace

/// Three of four inputs are changed as messages, where they are models; the others as bytes.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  std::minstd_rand random(seed);
  ::onnx::ModelProto model;
  if (random() % 4 != 0 && parse(data, size, model)) {
    for (auto changes = 1 + random() % 3; changes > 0; --changes) edgesmith::fuzz::mutate_model(model, model, random);
    if (const size_t changed = serialize(model, data, max_size)) return changed;
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

/// Puts parts of the second model into the first.
extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* data, size_t size, const uint8_t* other, size_t other_size,
                                            uint8_t* out, size_t max_size, unsigned seed) {
  std::minstd_rand random(seed);
  ::onnx::ModelProto model, donor;
  if (!parse(data, size, model) || !parse(other, other_size, donor)) return 0;
  for (auto changes = 1 + random() % 3; changes > 0; --changes) edgesmith::fuzz::mutate_model(model, donor, random);
  return serialize(model, out, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  edgesmith::log::set_level(edgesmith::log::Level::off);
  const auto bytes = std::as_bytes(std::span<const uint8_t>(data, size));
  for (const bool keep : {false, true}) read_and_write(bytes, folder.path(), {.keep_quantized_operators = keep});
  edgesmith::log::take_warnings();
  return 0;
}
