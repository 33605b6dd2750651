namespace S3dlio.Storage;

/// <summary>What a user should know though no call failed.</summary>
public static class Notices
{
    static readonly List<(string Topic, string Text)> Texts = [];

    static int s_count;

    /// <summary>How many there were; read without a lock, since every call asks.</summary>
    public static int Count => Volatile.Read(ref s_count);

    /// <exception cref="ArgumentOutOfRangeException">There is none of that number, from 0 on.</exception>
    public static string Get(int number)
    {
        lock (Texts)
            return Texts[number].Text;
    }

    /// <summary>Each topic has one text in a process: the first.</summary>
    internal static void Once(string topic, string text)
    {
        lock (Texts)
        {
            if (Texts.Exists(known => known.Topic == topic))
                return;
            Texts.Add((topic, text));
            Volatile.Write(ref s_count, Texts.Count);
        }
    }
}
