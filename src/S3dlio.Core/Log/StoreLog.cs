using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>
/// The sealed segments of a log in any store, as <see cref="LogUpload"/> left them there: records are read by ranges, each compared with
/// its checksum. A whole log that was copied there, its newest segment with it, is read too.
/// </summary>
public sealed class StoreLog : RecordLog, IAsyncDisposable
{
    static readonly TimeSpan FirstNap = TimeSpan.FromSeconds(1), LongestNap = TimeSpan.FromSeconds(10);

    readonly StoreDisk _disk;
    readonly OnDamage _onDamage;
    readonly CancellationTokenSource _closed = new();
    long _end;

    StoreLog(StoreDisk disk, OnDamage onDamage)
        : base(disk, disk.Directory) => (_disk, _onDamage) = (disk, onDamage);

    public override long EndRecord => Volatile.Read(ref _end);

    public override long Committed => EndRecord;

    /// <param name="store">Where the log is.</param>
    /// <param name="prefix">Of its objects' keys, with a slash at its end unless it is empty.</param>
    /// <param name="onDamage">About a newest segment that is not sealed.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="StoreException">NotFound: no segment is there. Otherwise as for a local log.</exception>
    public static async ValueTask<StoreLog> OpenAsync(ObjectStore store, string prefix, OnDamage onDamage, CancellationToken cancel)
    {
        var log = new StoreLog(new StoreDisk(store, prefix), onDamage);
        try
        {
            await log.RefreshAsync(cancel).ConfigureAwait(false);
            return log;
        }
        catch
        {
            await log.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Looks for segments that were uploaded since.</summary>
    /// <returns>What <see cref="RecordLog.EndRecord"/> is now.</returns>
    public async ValueTask<long> RefreshAsync(CancellationToken cancel)
    {
        await _disk.ListAsync(cancel).ConfigureAwait(false);
        var segments = LogRecovery.SegmentsOf(_disk.List(Directory));
        if (segments.Count == 0)
            throw new StoreException(ErrorKind.NotFound, Directory, "there is no log: no segment was uploaded here");
        await _disk.RunAsync(() => Guarded(() =>
        {
            Look(segments);
            return true;
        }), cancel).ConfigureAwait(false);
        return EndRecord;
    }

    void Look(List<long> segments)
    {
        string metaPath = $"{Directory}/{LogMeta.FileName}";
        var slot = TwoSlots.Read(Disk, metaPath);
        var meta = slot is null ? null : LogMeta.Parse(slot.Value.Content, metaPath);
        var left = segments.FindAll(first => first >= (meta?.BeginSegment ?? 0));
        if (left.Count == 0)
            throw new StoreException(
                ErrorKind.NotFound, Directory, $"the log begins at record {meta!.Begin}, and no segment with it was uploaded here");
        var known = Segments;
        if (known.Count > 0 && known[^1].FirstRecord == left[^1] && known[^1].GrowingIndex is null)
            return;
        using var newest = new SegmentFile(Disk, Directory, left[^1]);
        var file = newest.Lease();
        var header = newest.Header(file);
        LogRecovery.CheckStore(header, meta, newest.Path);
        FrameIndex? growing = null;
        long end;
        if (SegmentFile.ReadFooter(file, header, out var footer) is not null)
            end = footer!.EndRecord;
        else
        {
            var (from, record, proof, _) = LogRecovery.Before(meta, header, null);
            var found = SegmentRecovery.Run(
                file, header, from, record, meta?.Begin ?? 0, proof, meta?.Epoch ?? long.MaxValue, _onDamage != OnDamage.Raise);
            if (found.Damage.Count > 0 && _onDamage == OnDamage.Raise)
                throw LogErrors.Damaged(found.Damage[0]);
            (growing, end) = (found.Index, found.EndRecord);
        }
        (Schema, RecordSize, Id) = (header.Json, header.RecordSize, header.Store);
        Begin = Math.Max(Begin, meta?.Begin ?? left[0]);
        SetSegments([
            .. known.Where(one => one.FirstRecord != left[^1]),
            .. left.Where(first => first != left[^1] && !known.Any(one => one.FirstRecord == first))
                .Select(first => new SegmentFile(Disk, Directory, first)),
            new SegmentFile(Disk, Directory, left[^1]) { GrowingIndex = growing },
        ]);
        Volatile.Write(ref _end, Math.Max(end, Begin));
    }

    public override ValueTask<RecordPlan> PlanAsync(long first, long count, long mostBytes, bool skipDamaged, CancellationToken cancel) =>
        _disk.RunAsync(() => Plan(first, count, mostBytes, skipDamaged), cancel);

    public override ValueTask<RecordPlan> PlanAsync(long[] numbers, CancellationToken cancel) =>
        _disk.RunAsync(() => Plan(numbers), cancel);

    public override async ValueTask ReadAsync(RecordPlan plan, Memory<byte> target, CancellationToken cancel)
    {
        await _disk.FetchAsync(plan.Runs.Select(run => RecordPlan.Place(run)), cancel).ConfigureAwait(false);
        await _disk.RunAsync(() =>
        {
            plan.Read(target.Span, cancel);
            return true;
        }, cancel).ConfigureAwait(false);
    }

    /// <summary>Looks now and then for segments that were uploaded since.</summary>
    public override async ValueTask<long> WaitAsync(long number, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, _closed.Token);
        try
        {
            for (var nap = FirstNap; EndRecord <= number; nap = nap + nap > LongestNap ? LongestNap : nap + nap)
            {
                await RefreshAsync(stop.Token).ConfigureAwait(false);
                if (EndRecord <= number)
                    await Task.Delay(nap, stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // closed: as for other logs, the wait ends
        }
        return EndRecord;
    }

    public override long Cursor(string name) => throw NoCursors();

    public override void SetCursor(string name, long number) => throw NoCursors();

    StoreException NoCursors() => new(
        ErrorKind.InvalidArgument, Directory,
        "a log in a store keeps no cursors; keep the number with the consumer's own state, or use the cursor of the local log");

    protected override void Dispose(bool disposing)
    {
        // not disposed itself: a wait may be about to begin
        _closed.Cancel();
        base.Dispose(disposing);
    }

    public async ValueTask DisposeAsync()
    {
        Dispose();
        await _disk.DisposeAsync().ConfigureAwait(false);
    }
}
