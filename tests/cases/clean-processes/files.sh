for file in /proc/$$/fd/*; do
  if test -e "$file"; then echo "${file##*/}"; fi
done
