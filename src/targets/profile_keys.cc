// SPDX-License-Identifier: Apache-2.0
#include "targets/profile_keys.h"

#include <algorithm>
#include <array>

#include "edgesmith/base/text.h"

namespace edgesmith::targets {
namespace {

using V = const KeyValue&;
using T = Target;

constexpr std::array<std::string_view, 4> kPairRules = {"none", "neighbours-to-128", "pairs-to-128", "half-range"};
constexpr std::array<std::string_view, 5> kArithmetics = {"exact-i32", "x86-u8s8-saturating", "tflite", "ort-x86",
                                                          "fake-quant"};
constexpr std::array<std::string_view, 3> kFreeDims = {"none", "batch", "any"};

template <size_t kCount>
int index_of(const std::array<std::string_view, kCount>& words, std::string_view word) {
  return static_cast<int>(std::find(words.begin(), words.end(), word) - words.begin());
}

// The kinds of work in the order of enum Work, with their setters for both data types.
constexpr std::array<std::pair<std::string_view, std::string_view>, kNumWorks> kWorks = {
    {{"conv", "of convolutions and of matrix products with many rows"},
     {"depthwise", "of depthwise convolutions"},
     {"first", "of convolutions of at most 4 input channels"},
     {"dense", "of matrix products with one row"}}};

template <int kWork>
void set_f32_share(Target& target, V value) {
  target.device.f32.share[kWork] = value.number;
}
template <int kWork>
void set_i8_share(Target& target, V value) {
  target.device.i8.share[kWork] = value.number;
}

template <int kWork>
void add_share(std::vector<KeyRow>& rows) {
  const auto& [key, help] = kWorks[kWork];
  rows.push_back({"cost.f32", key, KeyKind::number, false, help, set_f32_share<kWork>, 1e-4, 4});
  rows.push_back({"cost.i8", key, KeyKind::number, false, help, set_i8_share<kWork>, 1e-4, 4});
}

template <int kOp>
void set_fixed(Target& target, V value) {
  const auto op = static_cast<ir::OpKind>(kOp);
  target.fixed_outputs.push_back({op, static_cast<float>(value.numbers[0]), static_cast<int32_t>(value.numbers[1])});
}

template <int kOp>
void add_fixed(std::vector<KeyRow>& rows, std::string_view help) {
  rows.push_back({"quantization.fixed_outputs", ir::onnx_name(static_cast<ir::OpKind>(kOp)), KeyKind::code, false, help,
                  set_fixed<kOp>, -128, 255});
}

int64_t whole(V value) { return static_cast<int64_t>(value.number); }

void add_device_keys(std::vector<KeyRow>& rows) {
  const auto add = [&](std::string_view key, KeyKind kind, bool required, std::string_view help,
                       void (*set)(Target&, V), double min = 0, double max = 0) {
    rows.push_back({"device", key, kind, required, help, set, min, max});
  };
  add("name", KeyKind::text, true, "the machine", [](T& t, V v) { t.device.name = v.text; });
  add("isa", KeyKind::text, true, "instruction set and the extensions that its kernels use",
      [](T& t, V v) { t.device.isa = v.text; });
  add(
      "clock", KeyKind::frequency, false, "of the cores", [](T& t, V v) { t.device.clock_hz = v.number; }, 1e3, 1e10);
  add(
      "cores", KeyKind::integer, false, "how many compute together (default 1)",
      [](T& t, V v) { t.device.cores = whole(v); }, 1, 4096);
  add(
      "caches", KeyKind::byte_list, false, "data caches, first level first",
      [](T& t, V v) { t.device.cache_bytes.assign(v.numbers.begin(), v.numbers.end()); }, 1, 1e12);
  add(
      "bandwidth", KeyKind::bandwidth, false, "of main memory, as reached",
      [](T& t, V v) { t.device.bandwidth = v.number; }, 1e3, 1e14);
  add(
      "ram", KeyKind::bytes, false, "for activations, and for weights where they lie there",
      [](T& t, V v) { t.device.ram_bytes = whole(v); }, 1, 1e15);
  add(
      "flash", KeyKind::bytes, false, "for weights and code", [](T& t, V v) { t.device.flash_bytes = whole(v); }, 1,
      1e15);
  add(
      "power", KeyKind::power, false, "while it computes", [](T& t, V v) { t.device.watts = v.number; }, 1e-6, 1e5);
  const std::string_view speed = "device.macs_per_cycle";
  rows.push_back({speed, "f32", KeyKind::number, true, "peak multiply-accumulates of 32-bit floats in one core",
                  [](T& t, V v) { t.device.f32.macs_per_cycle = v.number; }, 1e-3, 1e6});
  rows.push_back({speed, "i8", KeyKind::number, true, "the same of 8-bit integers",
                  [](T& t, V v) { t.device.i8.macs_per_cycle = v.number; }, 1e-3, 1e6});
}

void add_quantization_keys(std::vector<KeyRow>& rows) {
  const auto add = [&](std::string_view key, KeyKind kind, bool required, std::string_view help,
                       void (*set)(Target&, V), std::vector<std::string_view> words = {}) {
    rows.push_back({"quantization", key, kind, required, help, set, 0, 0, std::move(words)});
  };
  add("arithmetic", KeyKind::word, true, "how quantized operators compute",
      [](T& t, V v) { t.arithmetic = static_cast<Arithmetic>(index_of(kArithmetics, v.text)); },
      {kArithmetics.begin(), kArithmetics.end()});
  add("activations", KeyKind::word, true, "data type of activations",
      [](T& t, V v) { t.activation_dtype = ir::dtype_from_name(v.text); }, {"u8", "i8"});
  add("either_activation", KeyKind::flag, false, "the other 8-bit type runs as well (default false)",
      [](T& t, V v) { t.either_activation = v.flag; });
  add("symmetric", KeyKind::flag, false, "the zero point of activations is 0 (default false)",
      [](T& t, V v) { t.symmetric_activations = v.flag; });
  add("weights", KeyKind::word, true, "data type of weights; their zero point is 0",
      [](T& t, V v) { t.weight_dtype = ir::dtype_from_name(v.text); }, {"i8"});
  rows.push_back({"quantization", "smallest_weight", KeyKind::integer, false,
                  "smallest code of a weight (default -127)",
                  [](T& t, V v) { t.weight_min = static_cast<int32_t>(v.number); }, -128, -1});
  add("per_channel", KeyKind::flag, true, "weights have a scale for each output channel",
      [](T& t, V v) { t.per_channel = v.flag; });
  add("pair_rule", KeyKind::word, true,
      "where products are summed in pairs with 16 bits: neighbours-to-128: the weights of each pair may sum to 128; "
      "pairs-to-128: any two of a channel; half-range: codes within 64",
      [](T& t, V v) { t.pair_rule = static_cast<PairRule>(index_of(kPairRules, v.text)); },
      {kPairRules.begin(), kPairRules.end()});
  add("bias", KeyKind::word, false, "i32 (default): codes with the scale of the products; f32: it stays float",
      [](T& t, V v) { t.float_bias = v.text == "f32"; }, {"i32", "f32"});
  add("concat", KeyKind::word, false, "one-scale: inputs and output of Concat share a scale; any (default)",
      [](T& t, V v) { t.one_concat_scale = v.text == "one-scale"; }, {"any", "one-scale"});
  add("codes_on", KeyKind::word, false,
      "where quantized operators want codes: inputs-and-outputs (default), or inputs alone",
      [](T& t, V v) { t.input_codes_only = v.text == "inputs"; }, {"inputs-and-outputs", "inputs"});
  add("residual", KeyKind::word, false,
      "which operands of a residual Add want codes: both (default), or skip-only: not the one out of a Conv",
      [](T& t, V v) { t.skip_codes_only = v.text == "skip-only"; }, {"both", "skip-only"});
  add("integer_ops", KeyKind::operators, true, "operators that compute on integers between codes; the rest stays float",
      [](T& t, V v) { t.integer_ops = v.operators; });
  add("passing_ops", KeyKind::operators, false,
      "operators that quantize leaves float, but that pass codes on where operand and result carry the same ones",
      [](T& t, V v) { t.passing_ops = v.operators; });
  add_fixed<static_cast<int>(ir::OpKind::sigmoid)>(rows, "scale and zero point that its output must have");
  add_fixed<static_cast<int>(ir::OpKind::softmax)>(rows, "the same");
  add_fixed<static_cast<int>(ir::OpKind::tanh)>(rows, "the same");
}

void add_limit_keys(std::vector<KeyRow>& rows) {
  const auto add = [&](std::string_view key, KeyKind kind, std::string_view help, void (*set)(Target&, V),
                       double min = 0, double max = 0) {
    rows.push_back({"limits", key, kind, false, help, set, min, max});
  };
  add(
      "opset", KeyKind::range, "least and largest opset of the model's file",
      [](T& t, V v) {
        t.limits.opset = {static_cast<int64_t>(v.numbers[0]), static_cast<int64_t>(v.numbers[1])};
      },
      1, 1000);
  add(
      "batch", KeyKind::integer, "largest batch", [](T& t, V v) { t.limits.batch = whole(v); }, 1, 1e6);
  rows.push_back({"limits",
                  "free_dims",
                  KeyKind::word,
                  false,
                  "which dims of the model's inputs may be free: none, batch (the first), or any (default)",
                  [](T& t, V v) { t.limits.free_dims = static_cast<FreeDims>(index_of(kFreeDims, v.text)); },
                  0,
                  0,
                  {kFreeDims.begin(), kFreeDims.end()}});
  add(
      "rank", KeyKind::integer, "largest number of dims of a value", [](T& t, V v) { t.limits.rank = whole(v); }, 1,
      64);
  add(
      "kernel", KeyKind::integer, "largest side of a convolution's or pool's window",
      [](T& t, V v) { t.limits.kernel = whole(v); }, 1, 1e6);
  add(
      "stride", KeyKind::integer, "largest stride", [](T& t, V v) { t.limits.stride = whole(v); }, 1, 1e6);
  add(
      "dilation", KeyKind::integer, "largest dilation", [](T& t, V v) { t.limits.dilation = whole(v); }, 1, 1e6);
  add(
      "concat_inputs", KeyKind::integer, "most inputs of Concat", [](T& t, V v) { t.limits.concat_inputs = whole(v); },
      1, 1e6);
  add("grouped_conv", KeyKind::flag, "convolutions in groups of several channels run (default true)",
      [](T& t, V v) { t.limits.grouped_conv = v.flag; });
  add("integer_only", KeyKind::flag, "there are no float operators: the whole model must be quantized (default false)",
      [](T& t, V v) { t.limits.integer_only = v.flag; });
  add("bias_required", KeyKind::flag, "a convolution needs a bias (default false)",
      [](T& t, V v) { t.limits.bias_required = v.flag; });
  add("only_ops", KeyKind::operators, "the operators that it has, when that list is short",
      [](T& t, V v) { t.limits.only_ops = v.operators; });
  add("unsupported_ops", KeyKind::operators, "the operators that it lacks, when that list is the shorter one",
      [](T& t, V v) { t.limits.unsupported_ops = v.operators; });
  add("domain", KeyKind::text, "of operators beyond ONNX's that it has, such as com.microsoft",
      [](T& t, V v) { t.limits.domain = v.text; });
  add(
      "output_channels", KeyKind::integer, "convolutions are fastest when their output channels are a multiple of this",
      [](T& t, V v) { t.limits.output_channels = whole(v); }, 1, 1024);
  add(
      "input_channels", KeyKind::integer, "the same for input channels",
      [](T& t, V v) { t.limits.input_channels = whole(v); }, 1, 1024);
  rows.push_back({"limits",
                  "weights_in",
                  KeyKind::word,
                  false,
                  "where weights lie while it runs: ram (default) or flash",
                  [](T& t, V v) { t.limits.weights = v.text == "flash" ? WeightMemory::flash : WeightMemory::ram; },
                  0,
                  0,
                  {"ram", "flash"}});
}

std::vector<KeyRow> make_keys() {
  std::vector<KeyRow> rows;
  const auto top = [&](std::string_view key, KeyKind kind, std::string_view help, void (*set)(Target&, V),
                       std::vector<std::string_view> words = {}) {
    rows.push_back({"", key, kind, true, help, set, 0, 0, std::move(words)});
  };
  top("name", KeyKind::text, "what --target names", [](T& t, V v) { t.name = v.text; });
  top("summary", KeyKind::text, "one line", [](T& t, V v) { t.summary = v.text; });
  top("runtime", KeyKind::text, "the program that runs the model", [](T& t, V v) { t.runtime = v.text; });
  top("status", KeyKind::word, "run: models of ours were run on it; rules: only its documents were read",
      [](T& t, V v) { t.evidence = v.text == "run" ? Evidence::run : Evidence::rules; }, {"run", "rules"});
  top("checked", KeyKind::text, "what was run or read, and when", [](T& t, V v) { t.checked = v.text; });
  add_device_keys(rows);
  add_quantization_keys(rows);
  add_limit_keys(rows);
  rows.push_back({"cost", "element", KeyKind::number, false,
                  "cycles for each output element of integer operators, and of those without multiply-accumulates",
                  [](T& t, V v) { t.device.cycles_per_element = v.number; }, 1e-3, 1e6});
  rows.push_back({"cost", "node", KeyKind::time, false, "time to start one node",
                  [](T& t, V v) { t.device.node_seconds = v.number; }, 1e-9, 1});
  add_share<0>(rows);
  add_share<1>(rows);
  add_share<2>(rows);
  add_share<3>(rows);
  std::stable_sort(rows.begin(), rows.end(), [](const KeyRow& a, const KeyRow& b) {
    // Tables stay together, in the order in which they first appear.
    static constexpr std::array<std::string_view, 8> kTables = {
        "",     "device",  "device.macs_per_cycle", "quantization", "quantization.fixed_outputs", "limits",
        "cost", "cost.f32"};
    return index_of(kTables, a.table) < index_of(kTables, b.table);
  });
  return rows;
}

constexpr std::array<Unit, 4> kFrequencies = {{{"Hz", 1}, {"kHz", 1e3}, {"MHz", 1e6}, {"GHz", 1e9}}};
constexpr std::array<Unit, 7> kBytes = {{{"B", 1},
                                         {"kB", 1e3},
                                         {"MB", 1e6},
                                         {"GB", 1e9},
                                         {"KiB", 1024},
                                         {"MiB", 1024. * 1024},
                                         {"GiB", 1024. * 1024 * 1024}}};
constexpr std::array<Unit, 4> kBandwidths = {{{"B/s", 1}, {"kB/s", 1e3}, {"MB/s", 1e6}, {"GB/s", 1e9}}};
constexpr std::array<Unit, 3> kPowers = {{{"uW", 1e-6}, {"mW", 1e-3}, {"W", 1}}};
constexpr std::array<Unit, 4> kTimes = {{{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}}};

std::string kind_text(const KeyRow& row) {
  std::vector<std::string> units;
  for (const Unit& unit : units_of(row.kind)) units.emplace_back(unit.first);
  const std::string range =
      row.min < row.max && row.max < 1e5 ? " " + shortest(row.min) + " to " + shortest(row.max) : "";
  switch (row.kind) {
    case KeyKind::text: return "text";
    case KeyKind::flag: return "true or false";
    case KeyKind::integer: return "whole number" + range;
    case KeyKind::number: return "number" + range;
    case KeyKind::word: return join(std::vector<std::string>(row.words.begin(), row.words.end()), ", ");
    case KeyKind::frequency:
    case KeyKind::bytes:
    case KeyKind::bandwidth:
    case KeyKind::power:
    case KeyKind::time: return "quantity: " + join(units, ", ");
    case KeyKind::byte_list: return "list of quantities: " + join(units, ", ");
    case KeyKind::range: return "[least, largest]";
    case KeyKind::code: return "[scale, zero point]";
    case KeyKind::operators: return "list of ONNX operators";
  }
  return "";
}

}  // namespace

std::span<const KeyRow> all_keys() {
  static const std::vector<KeyRow> keys = make_keys();
  return keys;
}

std::span<const Unit> units_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::frequency: return kFrequencies;
    case KeyKind::bytes:
    case KeyKind::byte_list: return kBytes;
    case KeyKind::bandwidth: return kBandwidths;
    case KeyKind::power: return kPowers;
    case KeyKind::time: return kTimes;
    case KeyKind::text:
    case KeyKind::flag:
    case KeyKind::integer:
    case KeyKind::number:
    case KeyKind::word:
    case KeyKind::range:
    case KeyKind::code:
    case KeyKind::operators: break;
  }
  return {};
}

std::vector<ProfileKey> profile_keys() {
  std::vector<ProfileKey> keys;
  for (const KeyRow& row : all_keys()) {
    keys.push_back({std::string(row.table), std::string(row.key), kind_text(row), row.required, std::string(row.help)});
  }
  return keys;
}

std::string_view pair_rule_name(PairRule rule) { return kPairRules[static_cast<size_t>(rule)]; }
std::string_view arithmetic_name(Arithmetic arithmetic) { return kArithmetics[static_cast<size_t>(arithmetic)]; }
std::string_view free_dims_name(FreeDims free) { return kFreeDims[static_cast<size_t>(free)]; }
std::string_view evidence_name(Evidence evidence) { return evidence == Evidence::run ? "run" : "rules"; }

}  // namespace edgesmith::targets
