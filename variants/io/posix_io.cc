#include <memory>
#include <utility>

#include "variants/io/aligned_buffers.h"
#include "variants/io/direct_files.h"
#include "variants/io/ios.h"
#include "variants/io/posix_file.h"
#include "variants/io/site_counters.h"

namespace lsmlab {
namespace {

class PosixIo final : public Io {
 public:
  explicit PosixIo(Direct direct) : direct_(direct) {}

  bool Start(IoOp& op) noexcept override {
    op.status = RunBlocking(op, direct_);
    if (op.status.ok()) counters_.Count(op);
    return true;
  }
  size_t Poll(int64_t) noexcept override { return 0; }
  void Wake() noexcept override {}
  bool defers() const noexcept override { return false; }
  std::string_view backend() const noexcept override { return "posix"; }

  void* AllocateBuffer(size_t bytes) override { return buffers_.Allocate(bytes); }
  void FreeBuffer(void* buffer, size_t bytes) noexcept override { buffers_.Free(buffer, bytes); }
  IoCounters Counters() const noexcept override { return counters_.All(); }
  IoCounters Counters(IoSite site) const noexcept override { return counters_.Of(site); }

 private:
  Direct direct_;
  SiteCounters counters_;
  AlignedBuffers buffers_;
};

constexpr SettingSpec kPosixSettings[] = {kDirectSetting};

Result<std::unique_ptr<Io>> MakePosix(const SettingBag& settings) {
  return Result<std::unique_ptr<Io>>(
      std::make_unique<PosixIo>(ParseDirect(settings.Choice("direct"))));
}

}  // namespace

constinit const IoVariant kPosixIo{"posix", "blocking system calls (pread, pwritev2, fdatasync)",
                                   kPosixSettings, MakePosix};

}  // namespace lsmlab
