// SPDX-License-Identifier: Apache-2.0
// The kernels that may run a node: one row a kernel, one file a kernel. What no kernel takes runs by ops::eval
// (provider "reference").
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "runtime/isa.h"

namespace edgesmith {
class ThreadPool;
}

namespace edgesmith::runtime {

namespace integer {
struct Form;
}

/// The order of the elements of a value in memory. Dims are always those of the graph.
enum class Layout {
  row_major,
  channels_last,  ///< [N, spatial.., C] for a value of dims [N, C, spatial..]; the same as row_major below rank 3
};

/// What a kernel makes once from the constants of a node (packed weights), shared by all sessions; or once for the dims
/// that a session runs with (Kernel::bind).
struct Prepared {
  virtual ~Prepared() = default;
};

/// Element-wise work on a kernel's result before it is stored: a clamp, then the annotation of the value.
struct Epilogue {
  bool clamp = false;
  float lo = -std::numeric_limits<float>::infinity();
  float hi = std::numeric_limits<float>::infinity();
  bool quantize = false;  ///< fake-quantize with one scale; code_lo and code_hi are codes less the zero point
  float scale = 1, code_lo = 0, code_hi = 0;

  bool empty() const { return !clamp && !quantize; }
};

/// Where a kernel writes one output: dense, aligned to 64 bytes, not initialised.
struct OutputSlot {
  std::byte* data = nullptr;
  const ir::Dims* dims = nullptr;

  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

/// Another operand of an Add that the kernel does (Kernel::residual): it lies in memory as output 0 does.
struct Residual {
  const std::byte* data = nullptr;     ///< null: no Add
  bool first = false;                  ///< it is operand 0 of the Add, the kernel's own result operand 1
  const Prepared* prepared = nullptr;  ///< on codes: what add_i8 makes of the Add (native/add_i8.h)

  const float* floats() const { return reinterpret_cast<const float*>(data); }
};

/// One call of a kernel.
struct KernelCall {
  const ir::Node& node;
  std::span<const ir::Tensor* const> inputs;  ///< dense; null for an absent operand
  std::span<const OutputSlot> outputs;
  const Prepared* prepared = nullptr;
  std::byte* scratch = nullptr;  ///< scratch_bytes(), aligned to 64 bytes
  Epilogue epilogue;             ///< empty unless Kernel::epilogue
  Isa isa = Isa::scalar;
  Residual residual = {};  ///< empty unless Kernel::residual
  /// Threads to cut the work over (native/split.h), or null; only with Kernel::splits. The result never depends on it.
  ThreadPool* pool = nullptr;
  int64_t scratch_step = 0;         ///< thread t's scratch_bytes() begin at scratch + t * scratch_step
  const Prepared* bound = nullptr;  ///< what Kernel::bind made for these dims
};

/// The dims of the operands (null: absent), as far as a kernel needs them.
using OperandDims = std::span<const ir::Dims* const>;

/// One row: how one provider runs one operator. Preconditions beyond `supports`: operands have the dtypes that the
/// graph's types say.
struct Kernel {
  std::string_view provider;     ///< "native"
  std::string_view name;         ///< "conv_f32"
  std::optional<ir::OpKind> op;  ///< empty: whatever supports_form takes
  Isa isa = Isa::scalar;         ///< least instruction set
  bool epilogue = false;         ///< applies KernelCall::epilogue itself
  bool residual = false;  ///< adds KernelCall::residual to its result (on codes: to its codes) before the epilogue
  bool splits = false;    ///< cuts its work over the threads of KernelCall::pool
  /// Gives the bytes of ops::eval, to which nodes that depend on dims alone are left: it runs them once (shape code).
  bool as_reference = false;
  bool reassociates = false;  ///< reassociates sums: runs only where ExecutorOptions::reassociate allows it
  /// Null for what is part of this program; else why the library behind the row cannot be used here ("": it can).
  std::string_view (*unavailable)() = nullptr;
  /// Whether it takes this node, judging by attributes, dtypes and ranks of the graph (not by dims). Null: the row
  /// computes on codes.
  bool (*supports)(const ir::Node& node) = nullptr;
  /// Whether it is expected to be faster than the rows behind it; only asked where `supports` holds. May be null: it
  /// is. Such a row never runs a node that it does not prefer, unless it is chosen (ExecutorOptions::choices).
  bool (*prefers)(const ir::Node& node) = nullptr;
  /// Not null: the row computes on codes. Data operands and output 0 are then codes in the layout below (the dtypes are
  /// those of the form; operands that carry no codes are not to be read), and `prepare_form` takes the constants from
  /// the node of the form. `epilogue` and `prepare` mean nothing here: a clamp is in the form's result.
  bool (*supports_form)(const integer::Form& form) = nullptr;
  /// With supports_form: also takes forms whose result is reals (row-major).
  bool real_results = false;
  /// Empty: whichever, as long as operands and result share it.
  std::optional<Layout> layout = Layout::row_major;
  /// May be null.
  Result<std::shared_ptr<const Prepared>> (*prepare_form)(const integer::Form& form, Isa isa) = nullptr;
  /// May be null. `constants[i]`: operand i when it is constant, else null.
  Result<std::shared_ptr<const Prepared>> (*prepare)(const ir::Node& node, std::span<const ir::Tensor* const> constants,
                                                     Isa isa) = nullptr;
  /// Dims of output 0, for nodes whose dims are known only while running. May be null (then ops::eval runs those).
  std::optional<ir::Dims> (*output_dims)(const ir::Node& node, OperandDims inputs) = nullptr;
  /// May be null: none.
  Result<int64_t> (*scratch_bytes)(const ir::Node& node, const Prepared* prepared, OperandDims inputs,
                                   const ir::Dims& output, Isa isa) = nullptr;
  /// May be null. What depends on dims alone, made once for those that a session runs with: so that `run`, which then
  /// finds it in KernelCall::bound, allocates nothing. Errors: invalid, for operands that do not fit each other.
  Result<std::shared_ptr<const Prepared>> (*bind)(const ir::Node& node, const Prepared* prepared, OperandDims inputs,
                                                  const ir::Dims& output, Isa isa) = nullptr;
  Status (*run)(const KernelCall& call) = nullptr;
};

/// All rows, best first for each operator.
std::span<const Kernel* const> all_kernels();
/// "native.conv_f32".
std::string full_name(const Kernel& kernel);
/// All rows that take `node` on `isa`, best first: those that do not prefer it come last. `reassociate`: rows that
/// reassociate sums count too.
std::vector<const Kernel*> kernels_for(const ir::Node& node, Isa isa, bool reassociate);
/// All rows that compute `form` on codes, best first; the plain evaluations come last.
std::vector<const Kernel*> kernels_for(const integer::Form& form, Isa isa);
/// The first row that takes and prefers `node` on `isa`, or null: the reference evaluation. `reassociate`: rows that
/// reassociate sums count too.
const Kernel* find_kernel(const ir::Node& node, Isa isa, bool reassociate = false);
/// The first row that computes `form` on codes, or null. `reference`: only plain evaluations.
const Kernel* find_kernel(const integer::Form& form, Isa isa, bool reference);

}  // namespace edgesmith::runtime
