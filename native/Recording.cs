using System.Runtime.CompilerServices;
using S3dlio.OpLog;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>
/// The log of operations of this process. A store that was opened before it began is recorded too: calls get it through here.
/// </summary>
static class Recording
{
    static readonly Lock Gate = new();
    static ConditionalWeakTable<ObjectStore, RecordedStore> s_stores = [];
    static volatile OpLogWriter? s_log;

    public static OpLogWriter? Log => s_log;

    public static ObjectStore Of(ObjectStore store) =>
        s_log is { } log ? Volatile.Read(ref s_stores).GetValue(store, inner => new RecordedStore(inner, log)) : store;

    /// <exception cref="StoreException">There is one already, or the file cannot be made.</exception>
    public static void Begin(string path, int level, string clientId)
    {
        lock (Gate)
        {
            if (s_log is { } other)
                throw new StoreException(ErrorKind.AlreadyExists, path,
                    $"operations are recorded already, in {other.Path}; end that first");
            var log = new OpLogWriter(path, level, clientId);
            Volatile.Write(ref s_stores, []);
            s_log = log;
        }
    }

    /// <summary>Ends it, and has all of it in the file; without one nothing happens.</summary>
    public static void End()
    {
        lock (Gate)
        {
            var log = s_log;
            s_log = null;
            log?.Close();
        }
    }
}
