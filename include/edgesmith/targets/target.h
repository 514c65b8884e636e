// SPDX-License-Identifier: Apache-2.0
// Profiles: what a runtime on a device wants of a model, as plain data read from TOML (docs/targets.md).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/dtype.h"
#include "edgesmith/ir/op_kind.h"

namespace edgesmith::targets {

/// How the sums of an integer layer are made safe on the target.
enum class PairRule {
  none,               ///< exact int32 accumulation: the full weight range may be used
  neighbours_to_128,  ///< 16-bit pair sums (x86 without VNNI): the weights of each pair (ops/pair_sums.h) sum to <= 128
  pairs_to_128,       ///< the same, whichever weights meet: the two largest |codes| of an output channel sum to <= 128
  half_range          ///< the same by 7 bits for every weight: |codes| <= 64
};
/// "none", "neighbours-to-128", "pairs-to-128", "half-range".
std::string_view pair_rule_name(PairRule rule);

/// How quantized operators compute on the target.
enum class Arithmetic { exact_i32, x86_u8s8_saturating, tflite, ort_x86, fake_quant };
/// "exact-i32", "x86-u8s8-saturating", ...
std::string_view arithmetic_name(Arithmetic arithmetic);

/// What our word for a target rests on.
enum class Evidence {
  run,   ///< models of ours were run on it
  rules  ///< only the rules that its documents and sources state were checked
};
std::string_view evidence_name(Evidence evidence);

/// Which dims of the graph inputs may be free.
enum class FreeDims { none, batch, any };
std::string_view free_dims_name(FreeDims free);

/// Where the weights lie while the model runs.
enum class WeightMemory { ram, flash };

/// Kinds of work that cores do at different shares of their peak.
enum class Work {
  conv,       ///< convolutions and matrix products with many rows
  depthwise,  ///< convolutions with one input channel a group
  first,      ///< convolutions of at most 4 input channels
  dense       ///< matrix products with one row (each weight is used once)
};
inline constexpr int kNumWorks = 4;

/// Multiply-accumulates of one data type.
struct Speed {
  std::optional<double> macs_per_cycle;    ///< peak of one core
  std::optional<double> share[kNumWorks];  ///< of that peak, by Work
};

/// The machine. What is not known is absent.
struct Device {
  std::string name;  ///< "NUCLEO-L4R5ZI"
  std::string isa;   ///< "armv7e-m dsp"
  std::optional<double> clock_hz;
  int64_t cores = 1;
  std::vector<int64_t> cache_bytes;    ///< first level first
  std::optional<double> bandwidth;     ///< bytes a second from main memory
  std::optional<int64_t> ram_bytes;    ///< for activations (and weights, where they lie there)
  std::optional<int64_t> flash_bytes;  ///< for weights and code
  std::optional<double> watts;         ///< while it computes
  Speed f32, i8;
  std::optional<double> cycles_per_element;  ///< of operators without multiply-accumulates, an output element
  std::optional<double> node_seconds;        ///< to start one node
};

/// What the runtime takes. Absent: no limit known.
struct Limits {
  std::optional<std::pair<int64_t, int64_t>> opset;  ///< least and largest
  std::optional<int64_t> batch;                      ///< largest
  FreeDims free_dims = FreeDims::any;
  std::optional<int64_t> rank;
  std::optional<int64_t> kernel, stride, dilation;  ///< largest side of a convolution's or pool's
  std::optional<int64_t> concat_inputs;
  bool grouped_conv = true;          ///< 1 < group < channels
  bool integer_only = false;         ///< no float operators at all
  bool bias_required = false;        ///< a convolution without bias falls off the fast path
  std::vector<ir::OpKind> only_ops;  ///< the operators it has; empty: all but `unsupported_ops`
  std::vector<ir::OpKind> unsupported_ops;
  std::string domain;                               ///< of operators beyond ONNX's that it has; "" for none
  int64_t output_channels = 1, input_channels = 1;  ///< full speed for multiples of these
  WeightMemory weights = WeightMemory::ram;
};

/// An operator whose output has a fixed scale and zero point.
struct FixedOutput {
  ir::OpKind op;
  float scale;
  int32_t zero_point;
};

/// One profile.
struct Target {
  std::string name;     ///< "ort-x86"
  std::string summary;  ///< one line
  std::string runtime;  ///< "ONNX Runtime 1.32"
  Evidence evidence = Evidence::rules;
  std::string checked;  ///< what was run or read
  Device device;
  Limits limits;

  Arithmetic arithmetic = Arithmetic::exact_i32;
  ir::DType activation_dtype = ir::DType::u8;
  bool either_activation = false;      ///< the other 8-bit type runs as well
  bool symmetric_activations = false;  ///< zero point 0
  ir::DType weight_dtype = ir::DType::i8;
  int32_t weight_min = -127;  ///< smallest code of a weight (the largest is that of the dtype)
  bool per_channel = true;    ///< one scale an output channel; false: one a tensor
  PairRule pair_rule = PairRule::none;
  bool float_bias = false;        ///< biases stay float
  bool one_concat_scale = false;  ///< Concat wants one scale for all inputs and its output
  bool input_codes_only = false;  ///< quantized operators want codes on their inputs; results may stay float
  bool skip_codes_only = false;   ///< of a residual Add's operands, the one out of a Conv stays without codes
  std::vector<FixedOutput> fixed_outputs;
  /// Operators that compute on integers when Q/DQ stand around them; everything else stays float there.
  std::vector<ir::OpKind> integer_ops;
  /// Operators that also pass codes on where operand and result carry the same ones, though quantize leaves them float.
  std::vector<ir::OpKind> passing_ops;

  bool runs_integer(ir::OpKind op) const;
  bool passes_codes(ir::OpKind op) const;
  bool has_op(ir::OpKind op) const;
  const FixedOutput* fixed_output(ir::OpKind op) const;
};

/// The embedded profiles in order of name.
std::span<const Target> all_targets();
/// The embedded profile, or null.
const Target* find_target(std::string_view name);
/// The target of a command line that names none.
inline constexpr std::string_view kDefaultTarget = "ort-x86";

/// True for what names a profile's file rather than an embedded profile: it ends in ".toml".
bool is_profile_path(std::string_view name);
/// An embedded profile by name, or the profile in a file. Errors: usage (unknown name, with the nearest known one; what
/// parse_profile says), io.
Result<Target> load_target(const std::string& name_or_path);
/// Reads a profile. Errors: usage, with `origin` and the line: unknown keys (with the nearest known one), missing ones,
/// wrong kinds, units and numbers out of range, facts that contradict each other.
Result<Target> parse_profile(std::string_view text, const std::string& origin);

/// One key of a profile, for the documentation.
struct ProfileKey {
  std::string table;  ///< "device"; "" at the top
  std::string key;
  std::string kind;  ///< "text", "quantity in Hz, kHz, MHz, GHz", "one of a, b", ...
  bool required = false;
  std::string help;
};
std::vector<ProfileKey> profile_keys();

}  // namespace edgesmith::targets
