// SPDX-License-Identifier: Apache-2.0
#include "refine/write_output.h"

#include <cstdlib>
#include <filesystem>
#include <span>

#include "edgesmith/base/file.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/pack/pack.h"
#include "edgesmith/refine/output_name.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;

// The folder of the ONNX file on the way to a packed one, beside it; gone with its object. A folder of its own, because
// the packed file holds the names of that file and of its external data: they must be the same ones each time, and may
// be those of files that somebody has there.
class Passing {
 public:
  explicit Passing(const fs::path& beside) : folder_((beside.parent_path() / ".edgesmith-XXXXXX").string()) {
    made_ = ::mkdtemp(folder_.data()) != nullptr;
  }
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;
  ~Passing() {
    std::error_code ignored;
    if (made_) fs::remove_all(folder_, ignored);
  }
  bool made() const { return made_; }
  std::string file(const std::string& name) const { return (fs::path(folder_) / name).string(); }

 private:
  std::string folder_;
  bool made_ = false;
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

namespace {

Result<onnx::ExportSummary> write_once(const ir::Graph& graph, const std::string& path, ThreadPool& pool,
                                       const onnx::ExportOptions& options) {
  if (!is_packed_name(path)) return onnx::export_file(graph, path, options);
  const Passing passing(path);
  if (!passing.made()) return io_error(path + ": cannot create a folder beside it", "check the permissions");
  const std::string onnx = passing.file(fs::path(path).filename().string() + ".part.onnx");
  auto written = onnx::export_file(graph, onnx);
  if (!written) return written.error();
  auto files = pack::read_model(onnx);
  if (!files) return files.error();
  auto packed = pack::pack(*files, pool);
  if (!packed) return packed.error();
  EDGESMITH_TRY(write_file(path, packed->bytes, options.existing));
  written->bytes = packed->bytes.size();
  written->sha256 = sha256_hex(std::as_bytes(std::span<const char>(packed->bytes)));
  return written;
}

// "DIR/NAME-2.onnx" for "DIR/NAME.onnx".
std::string numbered(const std::string& path, int number) {
  const fs::path whole(path);
  const std::string name = whole.stem().string() + "-" + std::to_string(number) + whole.extension().string();
  return (whole.parent_path() / name).string();
}

/// Whether there is a file of that name, or external data of a model of that name.
bool is_taken(const std::string& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored)) || fs::exists(fs::symlink_status(path + ".data", ignored));
}

}  // namespace

Result<onnx::ExportSummary> write_output(const ir::Graph& graph, const std::string& path, ThreadPool& pool,
                                         const onnx::ExportOptions& options) {
  std::string place = path;
  auto written = write_once(graph, place, pool, options);
  const auto came_meanwhile = [&] {
    return !written && written.error().kind == ErrorKind::usage && options.existing == Existing::keep &&
           is_taken(place);
  };
  if (!came_meanwhile()) return written;
  for (int number = 2; came_meanwhile(); ++number) {
    place = numbered(path, number);
    if (!is_taken(place)) written = write_once(graph, place, pool, options);
  }
  if (!written) return written.error();
  return usage_error(path + ": exists already: it came during the run", "the result is in " + place);
}

}  // namespace edgesmith::refine
