// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/output_name.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

namespace edgesmith::refine {
namespace {

// Endings of names that another program would believe, or that a slip of the pen puts behind -o.
constexpr std::string_view kEndings[] = {".onnx", ".esm",   ".tflite", ".pb",   ".pt",         ".pth", ".ckpt",
                                         ".h5",   ".keras", ".engine", ".plan", ".trt",        ".xml", ".mlmodel",
                                         ".ort",  ".gguf",  ".json",   ".toml", ".csv",        ".npz", ".npy",
                                         ".html", ".jpg",   ".png",    ".jpeg", ".safetensors"};

// "" where nobody would take the name for another kind of file.
std::string foreign_ending(const std::string& path, std::string_view ending) {
  std::string found = std::filesystem::path(path).extension().string();
  const bool known = std::find(std::begin(kEndings), std::end(kEndings), found) != std::end(kEndings);
  return known && found != ending ? found : "";
}

Error foreign_error(const std::string& path, std::string_view what, const std::string& ending, std::string hint) {
  return usage_error(
      path + ": what is written is " + std::string(what) + ", and " + ending + " is the name of something else",
      std::move(hint));
}

}  // namespace

Status check_ending(const std::string& path, std::string_view what, std::string_view ending) {
  const std::string foreign = foreign_ending(path, ending);
  if (foreign.empty()) return {};
  return foreign_error(path, what, foreign, "name a file that ends in " + std::string(ending));
}

Status check_model_name(const std::string& path) {
  const std::string foreign = foreign_ending(path, is_packed_name(path) ? ".esm" : ".onnx");
  if (foreign.empty()) return {};
  return foreign_error(path, "ONNX", foreign, "name a .onnx file, or an .esm file for a packed model");
}

bool is_packed_name(const std::string& path) { return path.ends_with(".esm"); }

}  // namespace edgesmith::refine
