using System.Globalization;
using S3dlio.IO;

namespace S3dlio;

/// <summary>How much an event matters; the numbers are those of Python's logging.</summary>
public enum EventLevel
{
    /// <summary>For who looks into the library.</summary>
    Debug = 10,

    /// <summary>It was dealt with: a retry, renewed credentials.</summary>
    Info = 20,

    /// <summary>Somebody should look: it was dealt with at a cost, or may not be the next time.</summary>
    Warning = 30,
}

/// <param name="Number">Counts from 0 in each process.</param>
/// <param name="Level">How much it matters.</param>
/// <param name="Text">What happened, to what. It holds no secret.</param>
public readonly record struct StoreEvent(long Number, EventLevel Level, string Text);

/// <summary>
/// What happened behind calls that did not fail for it. The newest are kept until somebody asks; what nobody asked for makes room for what
/// comes after it. Texts are made of addresses and of errors' details, which hold no secrets.
/// </summary>
public static class Events
{
    /// <summary>Events that are kept.</summary>
    public const int Kept = 512;

    static readonly Lock Gate = new();
    static readonly StoreEvent[] Ring = new StoreEvent[Kept];
    static readonly HashSet<string> Topics = new(StringComparer.Ordinal);

    static long s_count;

    /// <summary>How many there were; read without a lock, since every call asks.</summary>
    public static long Count => Volatile.Read(ref s_count);

    /// <summary>The first event of that number or a later one that is still kept; null where there is none.</summary>
    public static StoreEvent? Find(long number)
    {
        lock (Gate)
        {
            long first = Math.Max(Math.Max(0, number), s_count - Kept);
            return first < s_count ? Ring[first % Kept] : null;
        }
    }

    internal static void Tell(EventLevel level, FormattableString text)
    {
        // names and servers choose parts of it
        string told = PathText.Show(text.ToString(CultureInfo.InvariantCulture));
        lock (Gate)
        {
            Ring[s_count % Kept] = new StoreEvent(s_count, level, told);
            Volatile.Write(ref s_count, s_count + 1);
        }
    }

    /// <summary>The same for what is true from then on: once for each topic.</summary>
    internal static void TellOnce(string topic, EventLevel level, FormattableString text)
    {
        lock (Gate)
        {
            // one topic for each store and fallback; a program with more stores hears of the first
            if (Topics.Count >= Kept || !Topics.Add(topic))
                return;
        }
        Tell(level, text);
    }
}
