// SPDX-License-Identifier: Apache-2.0
#include "refine/write_output.h"

#include <filesystem>
#include <span>

#include "edgesmith/base/file.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/pack/pack.h"
#include "edgesmith/refine/output_name.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;

// The ONNX file on the way to a packed one; gone with its object, its external data too.
class Passing {
 public:
  explicit Passing(const std::string& path) : path_(path + ".part.onnx") {}
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;
  ~Passing() {
    std::error_code ignored;
    fs::remove(path_, ignored);
    fs::remove(path_ + ".data", ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

Result<int64_t> output_bytes(const ir::Graph& graph, const std::string& path, ThreadPool& pool) {
  if (!is_packed_name(path)) {
    auto size = onnx::export_size(graph);
    return size ? Result<int64_t>(static_cast<int64_t>(*size)) : size.error();
  }
  auto onnx = onnx::export_bytes(graph);
  if (!onnx) return onnx.error();
  const pack::ModelFile file{"", std::move(*onnx)};
  auto packed = pack::pack(std::span(&file, 1), pool);
  if (!packed) return packed.error();
  return static_cast<int64_t>(packed->bytes.size());
}

Result<onnx::ExportSummary> write_output(const ir::Graph& graph, const std::string& path, ThreadPool& pool, bool hash) {
  if (!is_packed_name(path)) return onnx::export_file(graph, path, {.hash = hash});
  const Passing passing(path);
  auto written = onnx::export_file(graph, passing.path());
  if (!written) return written.error();
  auto files = pack::read_model(passing.path());
  if (!files) return files.error();
  auto packed = pack::pack(*files, pool);
  if (!packed) return packed.error();
  EDGESMITH_TRY(write_file(path, packed->bytes));
  written->bytes = packed->bytes.size();
  written->sha256 = sha256_hex(std::as_bytes(std::span<const char>(packed->bytes)));
  return written;
}

}  // namespace edgesmith::refine
