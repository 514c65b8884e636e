// SPDX-License-Identifier: Apache-2.0
// The table of nasty inputs: a row says how the file is made and what inspect, simplify, quantize and infer make of it.
// Numbers are those of the list of complaints about rival tools that the rows were taken from; a letter tells rows of
// one number apart.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/run_tool.h"
#include "edgesmith/data/arrays.h"
#include "nasty/model.h"

namespace edgesmith::nasty {

/// Exit codes of the four commands.
struct Codes {
  int inspect = 0, simplify = 0, quantize = 0, infer = 0;
};
inline constexpr Codes kInvalid = {3, 3, 3, 3};

class Ran;

struct Row {
  std::string number, title;
  std::string text;  ///< model_of() makes the model; "": `bytes` are the file
  int opset = 13;
  Codes codes = {};
  std::string says;      ///< in the error line of commands that fail; in warnings of inspect when none does
  double db = 25;        ///< least SQNR of the quantized model's float outputs
  double within = 1e-5;  ///< largest difference of the simplified model's answers, relative to the largest answer
  std::map<std::string, int64_t> sizes = {};                        ///< of free dims
  std::vector<std::string> quantize_args = {};                      ///< more options
  std::function<void(Model&)> edit = nullptr;                       ///< after the text is parsed
  std::function<void(Ran&)> check = nullptr;                        ///< after the commands, when no test failed so far
  std::function<void(const std::string& folder)> inputs = nullptr;  ///< writes input_N.pb there in place of seeded ones
  std::string bytes = {};
  int64_t grows = 16;      ///< most bytes by which simplify may enlarge the file (small constants, lengths of messages)
  bool big = false;        ///< takes long: run with the slow tests
  bool true_types = true;  ///< false: declared types are wrong, and may be corrected
};

using Answers = std::vector<data::NamedArray>;

/// What the four commands made of a row's file, for its check.
class Ran {
 public:
  explicit Ran(const Row& row, const std::string& folder) : row(row), folder(folder) {}

  const Row& row;
  std::string folder;  ///< m.onnx, data/input_N.pb, simple.onnx, int8.onnx and the answers m.npz, simple.npz, int8.npz
  Model original, simple, int8;
  Answers answers, simple_answers, int8_answers;
  std::string warnings;  ///< stderr of inspect, simplify and quantize

  /// Runs the tool in the folder.
  testing::ToolResult run(const std::vector<std::string>& args) const;
  /// Expects exit code 0, and gives the model that the command wrote to `output`.
  Model written(const std::vector<std::string>& args, const std::string& output) const;
  /// What `model` answers to the inputs in `data`; expects exit code 0.
  Answers answer(const std::string& model, const std::string& data = "data",
                 const std::vector<std::string>& more = {}) const;
  /// The answer `name` as floats.
  static std::vector<float> floats(const Answers& answers, const std::string& name);
};

/// SQNR in dB over all outputs that are float in both; 200 when they are equal.
double sqnr(const Answers& original, const Answers& other);
/// Expects the same names, types, shapes and numbers, up to `within` of the largest number.
void expect_same(const Answers& a, const Answers& b, double within);

/// Makes the file, runs the four commands and expects what the row says, and of every row: no crash, one error line
/// and no output where a command fails, the same interface, unique names, nothing that onnx::checker newly objects to,
/// and a simplified model that is no larger and answers the same.
void run_row(const Row& row);

std::vector<Row> structure_rows();    // 1 to 18
std::vector<Row> shape_rows();        // 19 to 27
std::vector<Row> number_rows();       // 28 to 38
std::vector<Row> file_rows();         // 39 to 45
std::vector<Row> prune_rows();        // 46 to 50
std::vector<Row> calibration_rows();  // 51 to 54

}  // namespace edgesmith::nasty
