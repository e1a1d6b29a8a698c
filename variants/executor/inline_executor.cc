#include <cstdint>
#include <memory>

#include "variants/executor/executors.h"
#include "variants/executor/stepped_executor.h"

namespace lsmlab {
namespace {

class InlineExecutor final : public SteppedExecutor {
 public:
  explicit InlineExecutor(uint64_t seed) : SteppedExecutor(seed, 1) {}
};

constexpr SettingSpec kInlineSettings[] = {
    {"seed", SettingType::kInteger, "0", 0, 9.2e18, "",
     "0: fixed order; otherwise the next step is drawn by this seed among all that are possible"},
};

std::unique_ptr<Executor> MakeInline(const SettingBag& settings) {
  return std::make_unique<InlineExecutor>(static_cast<uint64_t>(settings.Integer("seed")));
}

}  // namespace

constinit const ExecutorVariant kInlineExecutor{
    "inline",
    "the caller, of which there is one at a time, does everything; background work in steps",
    kInlineSettings, MakeInline, /*one_caller=*/true};

}  // namespace lsmlab
