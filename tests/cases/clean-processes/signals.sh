# Without the two signals that the C library keeps for itself.
while read -r name value; do
  case $name in
    SigBlk: | SigIgn:) echo "$name $((0x$value & 0x7fffffff))" ;;
  esac
done < /proc/self/status
