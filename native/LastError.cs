using System.Runtime.InteropServices;
using System.Text;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The last failure of each thread, in memory that stays valid until the same thread fails again.</summary>
static unsafe class LastError
{
    [ThreadStatic]
    static Slot? _slot;

    /// <summary>
    /// Remembers the failure and gives its status code. Nothing escapes from here: an exception across the ABI ends the process.
    /// </summary>
    public static int Set(Exception error)
    {
        var kind = ErrorKind.OutOfSpace;
        try
        {
            var known = Translate(error);
            kind = known.Kind;
            (_slot ??= new Slot()).Fill(known);
        }
        catch (Exception)
        {
            // no memory for the words; the code says what it was, and words of an earlier failure would mislead
            _slot = null;
        }
        return (int)kind;
    }

    public static StoreException Translate(Exception error) => error switch
    {
        StoreException known => known,
        OperationCanceledException => new StoreException(ErrorKind.Cancelled, "operation", "cancelled by the caller", cause: error),
        // a reader closed while another thread was in it
        ObjectDisposedException =>
            new StoreException(ErrorKind.Closed, "operation", "what it worked on was closed meanwhile", cause: error),
        TaskSchedulerException { InnerException: OutOfMemoryException } => new StoreException(
            ErrorKind.OutOfSpace, "threads",
            "the system gives this process no more threads: raise the limit (ulimit -u, or the container's pids limit)", cause: error),
        _ => StoreException.Unforeseen(error, error is OutOfMemoryException ? "memory" : "s3dlio", Place(error)),
    };

    public static Slot? Current => _slot;

    static string Place(Exception error) => error.StackTrace?.Split('\n', 2)[0].Trim() is { Length: > 0 } line ? $" ({line})" : "";

    /// <summary>One failure as C sees it.</summary>
    public sealed class Slot
    {
        byte* _text;

        public int Kind { get; private set; }

        public int Reason { get; private set; }

        public long Offset { get; private set; }

        public byte* Message => _text;

        public byte* Uri { get; private set; }

        public byte* Detail { get; private set; }

        public void Fill(StoreException error)
        {
            byte[] message = Bytes(error.Message), uri = Bytes(error.Uri), detail = Bytes(error.Detail);
            _text = (byte*)NativeMemory.Realloc(_text, (nuint)(message.Length + uri.Length + detail.Length + 3));
            byte* at = Place(message, _text);
            Uri = at;
            at = Place(uri, at);
            Detail = at;
            Place(detail, at);
            Kind = (int)error.Kind;
            Reason = (int)error.Reason;
            Offset = error.Offset ?? -1;
        }

        /// <summary>Cut where a caller's own text would make it endless, and without what would end it early for C.</summary>
        static byte[] Bytes(string text)
        {
            text = (text.Length <= Longest ? text : text[..Longest] + "…").Replace('\0', '\uFFFD');
            return PathText.ByteCount(text) is null ? Encoding.UTF8.GetBytes(text) : PathText.Encode(text);
        }

        const int Longest = 16 << 10;

        static byte* Place(byte[] text, byte* at)
        {
            text.CopyTo(new Span<byte>(at, text.Length));
            at[text.Length] = 0;
            return at + text.Length + 1;
        }

        ~Slot() => NativeMemory.Free(_text);
    }
}
