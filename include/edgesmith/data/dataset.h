// SPDX-License-Identifier: Apache-2.0
// Labelled samples from files, as model inputs (docs/data.md). Samples are decoded on demand: memory does not grow with
// their number.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// Declared preprocessing of image or array samples, in this order; what is absent is not done.
struct Preprocess {
  std::string color;                ///< "", "rgb", "bgr", "gray"
  double crop_fraction = 0;         ///< centre square of this share of the shorter side; 0: none
  int64_t resize_short = 0;         ///< resize the shorter side to this; 0: none
  std::vector<int64_t> resize_to;   ///< [height, width]; empty: none
  std::string filter = "bilinear";  ///< nearest, box, bilinear, hamming, bicubic, lanczos: Pillow's, antialiased
  int64_t crop = 0;                 ///< centre crop; 0: none
  std::string layout = "nchw";      ///< nchw or nhwc
  double scale = 1;                 ///< then (x * scale - mean) / std
  std::vector<double> mean, std;

  bool empty() const;  ///< nothing is declared
  /// Canonical one-line JSON, written into the model's metadata as `edgesmith.preprocess`.
  std::string json() const;
};

/// Where data come from and how they are read: one path of the command line with its flags, or an inline table.
struct DataSpec {
  std::string path;                   ///< folder, .csv, .npz, .npy, IDX file, ONNX test-data folder, .toml
  std::string labels;                 ///< "", "folders", "folder-numbers", "none", an array's name, a file
  std::vector<std::string> features;  ///< columns of a .csv table that a sample is made of; empty: it is no table
  std::vector<std::pair<std::string, Preprocess>> preprocess;  ///< by input name; "" applies to every (image) input
  int64_t limit = 0;                                           ///< 0: all; else a deterministic, class-balanced subset
  uint64_t seed = 0;
};

/// One sample: a tensor for each graph input (with the model's batch axis of 1 in front), and its label.
struct Sample {
  std::vector<ir::Tensor> inputs;
  int64_t label = -1;               ///< -1: none
  std::vector<ir::Tensor> targets;  ///< expected outputs, for regression metrics and ONNX test data; may be empty
};

/// Where the time of making one sample went, in nanoseconds.
struct SampleTimes {
  int64_t decode = 0;      ///< reading the file and decoding it
  int64_t resize = 0;      ///< colour, crop and resize of the picture
  int64_t preprocess = 0;  ///< arithmetic, layout and dtype
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual bool has_labels() const = 0;
  /// Decodes sample `index`; thread-safe. Errors: invalid, naming the file or row.
  virtual Result<Sample> sample(int64_t index) const = 0;
  /// sample(), with its times; a data set that does not know better calls all of it decoding.
  virtual Result<Sample> timed_sample(int64_t index, SampleTimes& times) const;
  /// For messages: the file of sample `index`, or "data.npz[17]".
  virtual std::string sample_name(int64_t index) const = 0;
  /// Hash of the raw bytes of sample `index`, to find samples that two data sets share.
  virtual Result<uint64_t> fingerprint(int64_t index) const = 0;
  /// Hash of all that the samples are to a model: their bytes, labels, expected outputs, preprocessing and order. Equal
  /// for data that lie elsewhere. Errors: invalid, io.
  virtual Result<std::string> digest() const;
  /// True when the tensors are one run to be fed whole (a folder of ONNX test data): axis 0 is not the sample.
  virtual bool whole_run() const { return false; }
  /// The preprocessing in force, declared or from the model's metadata (of the first entry, when there are several).
  virtual const Preprocess& preprocess() const = 0;
  /// The same by input name, for preprocess_json() (data/preprocess.h); empty when nothing is declared.
  virtual const std::vector<std::pair<std::string, Preprocess>>& preprocess_table() const = 0;
};

/// Opens data for the inputs of `graph`. Preprocessing not declared in `spec` is taken from the model's metadata (said
/// with log::info). Checks shapes and dtypes against the graph's inputs, the labels' range against its output, and
/// warns when the value range looks unlike the declared preprocessing, or is declared although the model has some in
/// its graph. `instead`, when it is given, goes in place of everything declared or remembered. Errors: io, invalid,
/// usage (no such form).
Result<std::unique_ptr<Dataset>> open_dataset(const DataSpec& spec, const ir::Graph& graph,
                                              const std::vector<std::pair<std::string, Preprocess>>* instead = nullptr);

/// Stacks the samples [begin, begin + count) into one tensor per input (axis 0 = sample). A model with a fixed batch B
/// is fed B at a time: the rest is padded by repeating the last sample.
Result<std::vector<ir::Tensor>> stack_inputs(std::span<const Sample> samples, const ir::Graph& graph);

/// True when two samples may go in one batch: the same shapes, and the same values for inputs without a batch axis.
bool can_stack(const Sample& a, const Sample& b, const ir::Graph& graph);

/// Number of samples in `a` whose bytes also occur in `b`.
Result<int64_t> count_shared_samples(const Dataset& a, const Dataset& b);

}  // namespace edgesmith::data
